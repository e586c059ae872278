-- Hypertables, and what refers to them. timescale15.dump is its dump by PostgreSQL 15 (`pg_dump -Fc -Z0`) with TimescaleDB 2.28.
CREATE EXTENSION timescaledb;
CREATE TABLE device (id int PRIMARY KEY); INSERT INTO device VALUES (1), (2);
CREATE TABLE metric (time timestamptz NOT NULL, device int REFERENCES device, value float, PRIMARY KEY (time, device));
SELECT create_hypertable('metric', 'time', chunk_time_interval => interval '1 day');
INSERT INTO metric VALUES ('2026-01-01', 1, 1), ('2026-01-02', 2, 2);
CREATE TABLE alarm (time timestamptz, device int, FOREIGN KEY (time, device) REFERENCES metric, FOREIGN KEY (device) REFERENCES device);
INSERT INTO alarm VALUES ('2026-01-01', 1);
CREATE MATERIALIZED VIEW latest AS SELECT device, max(time) FROM metric GROUP BY device;

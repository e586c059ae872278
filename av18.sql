--
-- PostgreSQL database dump
--

\restrict ZnaYYokCs6Ix1Wgw23V9SW5nAZiKdCZjxYkTwpEAXhuheXtgf5mvMEKcbWCuqdr

-- Dumped from database version 15.20 (Debian 15.20-0+deb12u1)
-- Dumped by pg_dump version 18.4

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: ct; Type: TYPE; Schema: public; Owner: postgres
--

CREATE TYPE public.ct AS (
	x integer,
	y text
);


ALTER TYPE public.ct OWNER TO postgres;

--
-- Name: w; Type: FOREIGN DATA WRAPPER; Schema: -; Owner: postgres
--

CREATE FOREIGN DATA WRAPPER w;


ALTER FOREIGN DATA WRAPPER w OWNER TO postgres;

--
-- Name: s; Type: SERVER; Schema: -; Owner: postgres
--

CREATE SERVER s FOREIGN DATA WRAPPER w;


ALTER SERVER s OWNER TO postgres;

--
-- Name: ft; Type: FOREIGN TABLE; Schema: public; Owner: postgres
--

CREATE FOREIGN TABLE public.ft (
    a integer
)
SERVER s;
ALTER FOREIGN TABLE ONLY public.ft ALTER COLUMN a SET (pg_attver=1103190672);


ALTER FOREIGN TABLE public.ft OWNER TO postgres;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: t; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.t (
    a integer,
    b text,
    c integer GENERATED ALWAYS AS ((a + 1)) STORED
);
ALTER TABLE ONLY public.t ALTER COLUMN a SET (pg_attver=1103132856, n_distinct=5);
ALTER TABLE ONLY public.t ALTER COLUMN b SET (pg_attver=1103132856);
ALTER TABLE ONLY public.t ALTER COLUMN c SET (pg_attver=1103132856);


ALTER TABLE public.t OWNER TO postgres;

--
-- Name: mv; Type: MATERIALIZED VIEW; Schema: public; Owner: postgres
--

CREATE MATERIALIZED VIEW public.mv AS
 SELECT t.a,
    t.b,
    t.c
   FROM public.t
  WITH NO DATA;
ALTER TABLE ONLY public.mv ALTER COLUMN a SET (pg_attver=1103157312);
ALTER TABLE ONLY public.mv ALTER COLUMN b SET (pg_attver=1103157312);
ALTER TABLE ONLY public.mv ALTER COLUMN c SET (pg_attver=1103157312);


ALTER MATERIALIZED VIEW public.mv OWNER TO postgres;

--
-- Name: part; Type: TABLE; Schema: public; Owner: postgres
--

CREATE TABLE public.part (
    k integer
)
PARTITION BY LIST (k);
ALTER TABLE ONLY public.part ALTER COLUMN k SET (pg_attver=1103182696);


ALTER TABLE public.part OWNER TO postgres;

--
-- Name: v; Type: VIEW; Schema: public; Owner: postgres
--

CREATE VIEW public.v AS
 SELECT t.a,
    t.b,
    t.c
   FROM public.t;


ALTER VIEW public.v OWNER TO postgres;

--
-- Data for Name: t; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.t (a, b) FROM stdin;
1	x
\.


--
-- Name: t_expr_idx; Type: INDEX; Schema: public; Owner: postgres
--

CREATE INDEX t_expr_idx ON public.t USING btree (((a + 1)));


--
-- Name: mv; Type: MATERIALIZED VIEW DATA; Schema: public; Owner: postgres
--

REFRESH MATERIALIZED VIEW public.mv;


--
-- PostgreSQL database dump complete
--

\unrestrict ZnaYYokCs6Ix1Wgw23V9SW5nAZiKdCZjxYkTwpEAXhuheXtgf5mvMEKcbWCuqdr


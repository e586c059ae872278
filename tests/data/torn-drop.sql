-- What is dropped while the dump of torn.sql runs.
DROP EVENT TRIGGER watch;
DROP FUNCTION s.watch, s.add, s.nothing, s.many, s.out, s.atomic, s.touch CASCADE;
DROP PROCEDURE s.work;
DROP AGGREGATE s.total(int);
DROP INDEX s.by_c;
DROP STATISTICS s.stats;
DROP TYPE s.mood, s.point, s.span, s.shell CASCADE;

-- Logs that were cut stay so.
DROP FUNCTION cut_run_log(bigint, integer, integer, integer, integer, bigint);

-- Turns are not told any more; those that were stay in the audit.
DROP TRIGGER etl_jobs_recovered ON etl_jobs;
DROP TRIGGER etl_jobs_failed ON etl_jobs;
DROP FUNCTION tell_job_turn();

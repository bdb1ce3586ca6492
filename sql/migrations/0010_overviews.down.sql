-- Views hold no data.
DROP VIEW job_overview, run_overview;

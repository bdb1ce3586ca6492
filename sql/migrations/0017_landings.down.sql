-- No run is open when a migration is taken back, so nothing waits for an answer.
ALTER TABLE run_batches DROP COLUMN is_asked, DROP COLUMN lands_in;

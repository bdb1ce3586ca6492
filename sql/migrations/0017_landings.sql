-- programs: >=0.1
-- Two databases cannot commit as one: a batch that was announced to another one may be there or not until somebody
-- looks into the ledger there (workers/loader/destination.py). Until then its run does not end.

ALTER TABLE run_batches
ADD COLUMN lands_in text,
ADD COLUMN is_asked boolean NOT NULL DEFAULT false,
ADD CONSTRAINT run_batches_asked CHECK (NOT is_asked OR lands_in IS NOT NULL);
COMMENT ON COLUMN run_batches.lands_in IS
    'Another database that its rows may already be in, as its integration names it; written before they are.';
COMMENT ON COLUMN run_batches.is_asked IS
    'It is not loaded any more; whether it was, its destination is asked, and the checkpoint moves if so.';

-- programs: >=0.1
-- Which batch a worker had in hand when it was lost.

ALTER TABLE run_batches
    ADD COLUMN in_hand_since timestamptz;
COMMENT ON COLUMN run_batches.in_hand_since IS
    'After a loss batches are loaded one at a time: since when its holder works on this one. Lost meanwhile, it is charged.';
COMMENT ON COLUMN run_batches.attempts IS 'Workers lost while they had this batch in hand; at three it is SET_ASIDE.';

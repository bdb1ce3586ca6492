ALTER TABLE run_batches DROP COLUMN in_hand_since;

-- When a reject was extracted has no place in the older schema: it refuses while that could not be found again.
DO $$
BEGIN
    IF coalesce(current_setting('etl.discard', true), '') <> 'on' AND EXISTS (
        SELECT FROM rejected_records AS r
        LEFT JOIN run_batches AS b ON r.run_id = b.run_id AND r.seq = b.seq
        WHERE r.extracted_at <> coalesce(b.stored_at, r.last_seen_at)
    ) THEN
        RAISE EXCEPTION 'the older schema cannot hold when rejects were extracted: --discard gives that up';
    END IF;
END
$$;
DROP TRIGGER run_batches_end_replay ON run_batches;
DROP TRIGGER run_batches_date_replay ON run_batches;
DROP TRIGGER rejected_records_date ON rejected_records;
DROP FUNCTION end_replay();
DROP FUNCTION date_replay();
DROP FUNCTION date_reject();
DROP FUNCTION is_json_object(bytea);
DROP TABLE reject_replays;
DROP INDEX rejected_records_in_order, rejected_records_of_run;
ALTER TABLE rejected_records DROP COLUMN extracted_at;

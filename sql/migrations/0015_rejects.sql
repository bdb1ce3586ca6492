-- programs: >=0.1
-- Replay of rejects: when each was extracted, which batch replays it, and that it is gone once that batch is loaded.

-- Not when it was refused: a newer version of the record may have been extracted before the load that refused this one.
ALTER TABLE rejected_records ADD COLUMN extracted_at timestamptz NOT NULL DEFAULT now();
COMMENT ON COLUMN rejected_records.extracted_at IS
    'When the batch that last held it was extracted: a replay leaves rows alone that were extracted later.';
UPDATE rejected_records AS r
SET extracted_at = coalesce(
    (SELECT b.stored_at FROM run_batches AS b WHERE b.run_id = r.run_id AND b.seq = r.seq), r.last_seen_at
);
CREATE INDEX rejected_records_in_order ON rejected_records (job_id, extracted_at, stream, id);
-- For the reasons of a run, and for runs that are pruned.
CREATE INDEX rejected_records_of_run ON rejected_records (run_id);

CREATE FUNCTION date_reject() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.extracted_at := coalesce(
        (SELECT b.stored_at FROM run_batches AS b WHERE b.run_id = NEW.run_id AND b.seq = NEW.seq), NEW.extracted_at
    );
    RETURN NEW;
END
$$;
-- Not when its run is pruned: then run_id becomes null, and the time stays.
CREATE TRIGGER rejected_records_date BEFORE INSERT OR UPDATE OF run_id, seq ON rejected_records
FOR EACH ROW WHEN (NEW.run_id IS NOT NULL) EXECUTE FUNCTION date_reject();

-- Whether a reject is a record: a torn CSV row or a line that is no JSON cannot be replayed. PostgreSQL 15 has no IS JSON.
CREATE FUNCTION is_json_object(payload bytea) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN json_typeof(convert_from(payload, 'UTF8')::json) = 'object';
EXCEPTION WHEN data_exception OR statement_too_complex THEN
    RETURN false;
END
$$;

CREATE TABLE reject_replays (
    reject_id bigint PRIMARY KEY REFERENCES rejected_records (id) ON DELETE CASCADE,
    run_id bigint NOT NULL REFERENCES job_runs (id) ON DELETE CASCADE,
    seq integer NOT NULL
);
COMMENT ON TABLE reject_replays IS
    'The batch that replays a reject. Written before the batch is stored: while there is no such batch it says nothing.';
CREATE INDEX reject_replays_of_batch ON reject_replays (run_id, seq);

-- The batches of a replay are those of the lane 'replay of rejects' (workers/replay.py). What is special about them
-- happens here, so that it holds whichever worker stores and loads them, by whichever statement.

-- They were extracted when their rejects were, all of a batch at the same time. One whose rejects have gone meanwhile is
-- refused: as a batch of now it would be laid over newer rows.
CREATE FUNCTION date_replay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.stored_at := (
        SELECT min(r.extracted_at)
        FROM reject_replays AS p INNER JOIN rejected_records AS r ON p.reject_id = r.id
        WHERE p.run_id = NEW.run_id AND p.seq = NEW.seq
    );
    IF NEW.stored_at IS NULL THEN
        RAISE EXCEPTION 'the rejects of batch % are gone: somebody removed them while they were replayed', NEW.seq;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER run_batches_date_replay BEFORE INSERT ON run_batches
FOR EACH ROW WHEN (NEW.lane = 'replay of rejects') EXECUTE FUNCTION date_replay();

-- Loaded, they are gone in the same transaction, but for those that this batch refused again. In the order in which
-- rejects are written everywhere, so that nothing deadlocks.
CREATE FUNCTION end_replay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM rejected_records AS r
    USING (
        SELECT d.id
        FROM rejected_records AS d INNER JOIN reject_replays AS p ON d.id = p.reject_id
        WHERE p.run_id = NEW.run_id AND p.seq = NEW.seq
            AND (d.run_id IS DISTINCT FROM NEW.run_id OR d.seq IS DISTINCT FROM NEW.seq)
        ORDER BY d.stream, d.hash
        FOR UPDATE OF d
    ) AS done
    WHERE r.id = done.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER run_batches_end_replay AFTER UPDATE OF state ON run_batches
FOR EACH ROW WHEN (NEW.lane = 'replay of rejects' AND NEW.state = 'LOADED' AND OLD.state <> 'LOADED')
EXECUTE FUNCTION end_replay();

-- How far open runs are, for people. At most once a second, never in the transaction of a step.

-- name: write_counters(run_id, rows_expected)!
-- What lists show of an open run: the sums of its loaded batches, and how many rows are expected (null: as before).
UPDATE job_runs
SET counters = jsonb_strip_nulls(
    jsonb_build_object('rows_expected', coalesce(:rows_expected::bigint, (counters ->> 'rows_expected')::bigint)) || (
        SELECT
            jsonb_build_object(
                'batches', count(*),
                'rows_extracted', sum((b.counts ->> 'rows_extracted')::bigint),
                'rows_new', sum((b.counts ->> 'rows_new')::bigint),
                'rows_changed', sum((b.counts ->> 'rows_changed')::bigint),
                'rows_unchanged', sum((b.counts ->> 'rows_unchanged')::bigint),
                'rows_deleted', sum((b.counts ->> 'rows_deleted')::bigint),
                'rows_rejected', sum((b.counts ->> 'rows_rejected')::bigint)
            )
        FROM run_batches AS b
        WHERE b.run_id = :run_id AND b.state = 'LOADED'
    )
)
WHERE id = :run_id AND state = 'RUNNING';

-- name: add_progress(run_ids, streams, stages, rows, bytes)!
-- What a worker did of several runs since it last told; ordered, so that two workers do not deadlock.
INSERT INTO run_progress (run_id, stream, stage, rows, bytes)
SELECT p.run_id, p.stream, p.stage, p.rows, p.bytes
FROM unnest(:run_ids::bigint [], :streams::text [], :stages::text [], :rows::bigint [], :bytes::bigint [])
    AS p (run_id, stream, stage, rows, bytes)
INNER JOIN job_runs AS r ON p.run_id = r.id
ORDER BY p.run_id, p.stream, p.stage
ON CONFLICT (run_id, stream, stage) DO UPDATE
SET rows = run_progress.rows + excluded.rows, bytes = run_progress.bytes + excluded.bytes, updated_at = now();

-- name: list_progress(run_id)
-- The stages of a run by stream, with the rows a second since each began.
SELECT
    p.stream, p.stage, p.rows, p.bytes,
    (p.rows / nullif(extract(EPOCH FROM p.updated_at - p.began_at), 0))::float AS rows_per_second
FROM run_progress AS p
WHERE p.run_id = :run_id
ORDER BY p.stream, array_position(ARRAY['extract', 'transform', 'load'], p.stage);

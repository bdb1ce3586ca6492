-- Records that could not be loaded: look at them, replay them after a fix, drop them.

-- name: list_rejects(job_id, stream, reason, at_most)
-- Rejects of a job, the last seen first; of one stream, or whose reason holds a text (in any case), unless null.
SELECT
    r.id, r.job_id, r.run_id, r.stream, r.reason, r.count, r.first_seen_at, r.last_seen_at, r.extracted_at,
    octet_length(r.payload) AS bytes, is_json_object(r.payload) AS is_record
FROM rejected_records AS r
WHERE r.job_id = :job_id
    AND (:stream::text IS NULL OR r.stream = :stream)
    AND (:reason::text IS NULL OR position(lower(:reason) IN lower(r.reason)) > 0)
ORDER BY r.last_seen_at DESC, r.id DESC
LIMIT :at_most;

-- name: reject_by_id(reject_id)^
-- One reject with its payload and the name of its job.
SELECT
    r.id, r.job_id, r.run_id, r.stream, r.reason, r.count, r.first_seen_at, r.last_seen_at, r.extracted_at,
    octet_length(r.payload) AS bytes, is_json_object(r.payload) AS is_record,
    j.job_name, t.name AS tenant, r.payload
FROM rejected_records AS r
INNER JOIN etl_jobs AS j ON r.job_id = j.id
INNER JOIN tenants AS t ON j.tenant_id = t.id
WHERE r.id = :reject_id;

-- name: count_rejects(job_id, ids, stream, streams)^
-- How many rejects a job has, and how many of them can be replayed: those that are records, of the streams that there
-- are. Null chooses all.
SELECT
    count(*) AS rejects,
    count(*) FILTER (
        WHERE (:streams::text [] IS NULL OR r.stream = ANY(:streams)) AND is_json_object(r.payload)
    ) AS records
FROM rejected_records AS r
WHERE r.job_id = :job_id
    AND (:ids::bigint [] IS NULL OR r.id = ANY(:ids))
    AND (:stream::text IS NULL OR r.stream = :stream);

-- name: list_missing_rejects(job_id, ids)
-- Those of the ids that are no reject of this job, in order.
SELECT w.id
FROM unnest(:ids::bigint []) AS w (id)
WHERE NOT EXISTS (SELECT FROM rejected_records AS r WHERE r.id = w.id AND r.job_id = :job_id)
ORDER BY w.id;

-- name: open_replay_of(job_id)$
-- The open run of a job, if it is a replay of rejects.
SELECT id FROM job_runs WHERE job_id = :job_id AND state IN ('QUEUED', 'RUNNING') AND options ? 'replay_rejects';

-- name: correct_reject(reject_id, payload, hash, reason)$
-- Another record in the place of a rejected one; it was extracted when that was. Null when there is no such reject.
UPDATE rejected_records SET payload = :payload, hash = :hash, reason = :reason
WHERE id = :reject_id
RETURNING id;

-- name: list_reject_ids(job_id, ids)
-- The rejects of a job, these or (null) all, in order.
SELECT r.id FROM rejected_records AS r
WHERE r.job_id = :job_id AND (:ids::bigint [] IS NULL OR r.id = ANY(:ids))
ORDER BY r.id;

-- name: drop_rejects(job_id, ids)
-- Removes rejects of a job, these or (null) all; their ids. In the order in which they are written everywhere, so that
-- nothing deadlocks with a load.
WITH chosen AS (
    SELECT r.id FROM rejected_records AS r
    WHERE r.job_id = :job_id AND (:ids::bigint [] IS NULL OR r.id = ANY(:ids))
    ORDER BY r.stream, r.hash
    FOR NO KEY UPDATE
),

gone AS (
    DELETE FROM rejected_records AS r USING chosen WHERE r.id = chosen.id RETURNING r.id
)

SELECT gone.id FROM gone ORDER BY gone.id;

-- name: read_replay_page(job_id, run_id, seq, ids, stream, streams, after_at, after_stream, after_id, at_most, most_bytes)
-- The next rejects for batch seq of a replay, in order of extraction: of one stream, all extracted at the same time, at
-- most so many and so many bytes, one in any case. Only records, only of streams that there are; none that an earlier
-- batch of this run holds or has refused. A null after_at begins at the first. The caller holds the run.
WITH first AS MATERIALIZED (
    SELECT r.extracted_at, r.stream, r.id
    FROM rejected_records AS r
    WHERE r.job_id = :job_id
        AND (r.extracted_at, r.stream, r.id)
        > (coalesce(:after_at::timestamptz, '-infinity'), :after_stream::text, :after_id::bigint)
        AND (:ids::bigint [] IS NULL OR r.id = ANY(:ids))
        AND (:stream::text IS NULL OR r.stream = :stream) AND r.stream = ANY(:streams::text [])
        AND r.run_id IS DISTINCT FROM :run_id
        AND NOT EXISTS (
            SELECT FROM reject_replays AS p WHERE p.reject_id = r.id AND p.run_id = :run_id AND p.seq < :seq
        )
        AND is_json_object(r.payload)
    ORDER BY r.extracted_at, r.stream, r.id
    LIMIT 1
),

alike AS MATERIALIZED (
    SELECT r.id, octet_length(r.payload) AS size
    FROM rejected_records AS r INNER JOIN first AS f ON r.extracted_at = f.extracted_at AND r.stream = f.stream
    WHERE r.job_id = :job_id AND r.id >= f.id
        AND (:ids::bigint [] IS NULL OR r.id = ANY(:ids))
        AND r.run_id IS DISTINCT FROM :run_id
        AND NOT EXISTS (
            SELECT FROM reject_replays AS p WHERE p.reject_id = r.id AND p.run_id = :run_id AND p.seq < :seq
        )
        AND is_json_object(r.payload)
    ORDER BY r.id
    LIMIT :at_most
),

page AS (
    SELECT a.id, row_number() OVER in_order AS place, sum(a.size) OVER in_order AS bytes
    FROM alike AS a
    WINDOW in_order AS (ORDER BY a.id)
)

SELECT r.id, r.stream, r.extracted_at, r.payload
FROM page INNER JOIN rejected_records AS r ON page.id = r.id
WHERE page.place = 1 OR page.bytes <= :most_bytes
ORDER BY r.id;

-- name: assign_rejects(run_id, seq, ids)!
-- Says which rejects the next batch of a replay holds, before it is stored. What an earlier holder of the run said of
-- this batch and did not store is void. The caller holds the run.
WITH void AS (
    DELETE FROM reject_replays WHERE run_id = :run_id AND seq >= :seq AND reject_id <> ALL(:ids::bigint [])
)

INSERT INTO reject_replays (reject_id, run_id, seq)
SELECT r.id, :run_id, :seq FROM rejected_records AS r WHERE r.id = ANY(:ids::bigint []) ORDER BY r.id
ON CONFLICT (reject_id) DO UPDATE SET run_id = excluded.run_id, seq = excluded.seq;

-- Checkpoints: rows per job, stream and partition.

-- name: list_checkpoints(job_id)
-- Where each partition stands; schema_version is that of the connector's models that wrote it.
SELECT stream, partition, bookmark, resume, schema_version FROM job_checkpoints WHERE job_id = :job_id;

-- name: checkpoint_of(job_id)^
-- Where a job stands: its rows as a document, which are current while it runs, and what stands instead of them when
-- there are none. As text, for numbers must stay as they are. In one statement, so that all of it is of one moment.
SELECT
    t.name || '/' || j.job_name AS job_name, j.status, j.checkpoint_version AS version, i.type AS integration_type,
    checkpoint_text(j.id) AS streams,
    CASE WHEN NOT EXISTS (SELECT FROM job_checkpoints AS c WHERE c.job_id = j.id) THEN j.checkpoint_data::text END AS other,
    (SELECT h.cut_at FROM job_checkpoint_history AS h WHERE h.job_id = j.id AND h.version = j.checkpoint_version) AS cut_at,
    now() AS now
FROM etl_jobs AS j
INNER JOIN tenants AS t ON j.tenant_id = t.id
LEFT JOIN integrations AS i ON j.integration_id = i.id
WHERE j.id = :job_id;

-- name: hold_checkpoint(job_id)^
-- Holds the job until the transaction ends, without its document. Before any of its rows are looked at.
SELECT j.id, j.status, j.tenant_id, j.checkpoint_version, t.name || '/' || j.job_name AS job_name
FROM etl_jobs AS j INNER JOIN tenants AS t ON j.tenant_id = t.id
WHERE j.id = :job_id
FOR NO KEY UPDATE OF j;

-- name: list_versions(job_id, before, at_most)
-- The history of a checkpoint, newest first, older than `before` (null: from the newest on), and of which version the last
-- run that succeeded left and the newest run began from.
WITH newest_run AS (
    SELECT r.checkpoint_before FROM job_runs AS r WHERE r.job_id = :job_id ORDER BY r.id DESC LIMIT 1
)

SELECT
    h.job_id, h.version, h.cut_at AS at, h.source, h.actor, h.reason, h.run_id, r.state AS run_state,
    coalesce(h.rows_new, 0) AS partitions_new,
    coalesce(h.rows_changed, jsonb_array_length(h.changes)) AS partitions_changed,
    coalesce(h.rows_gone, 0) AS partitions_gone,
    coalesce(h.touched, '[]') AS touched,
    h.version = (SELECT max(n.version) FROM job_checkpoint_history AS n WHERE n.job_id = :job_id) AS is_newest,
    coalesce(h.version = last_good_version(:job_id), false) AS is_last_good,
    coalesce(h.version = (SELECT newest_run.checkpoint_before FROM newest_run), false) AS is_run_start
FROM job_checkpoint_history AS h
LEFT JOIN job_runs AS r ON h.run_id = r.id
WHERE h.job_id = :job_id AND (:before::integer IS NULL OR h.version < :before)
ORDER BY h.version DESC
LIMIT :at_most;

-- name: chain_to(job_id, version)
-- What the document of a version is built from: from the last whole version on (or the first that there is) to it, oldest
-- first. Nothing when there is no such version.
SELECT h.version, h.changes::text AS changes, h.whole::text AS whole
FROM job_checkpoint_history AS h
WHERE h.job_id = :job_id AND h.version <= :version
    AND h.version >= coalesce((
        SELECT max(w.version) FROM job_checkpoint_history AS w
        WHERE w.job_id = :job_id AND w.version <= :version AND w.whole IS NOT NULL
    ), 0)
    AND EXISTS (SELECT FROM job_checkpoint_history AS e WHERE e.job_id = :job_id AND e.version = :version)
ORDER BY h.version;

-- name: version_span(job_id)^
-- The oldest and the newest version that are kept; nulls when there is none.
SELECT min(version) AS oldest, max(version) AS newest FROM job_checkpoint_history WHERE job_id = :job_id;

-- name: version_at(job_id, moment)$
-- The version that held at a moment; null when none is kept from before it.
SELECT max(version) FROM job_checkpoint_history WHERE job_id = :job_id AND cut_at <= :moment;

-- name: list_long_histories(keep_versions, keep_days)
-- Jobs of whose history something may go: versions behind the newest so many, or older, but for the newest, the one that
-- the last run which succeeded left, and the one that the newest run began from.
WITH ranked AS (
    SELECT h.job_id, h.version, h.cut_at, row_number() OVER (PARTITION BY h.job_id ORDER BY h.version DESC) AS place
    FROM job_checkpoint_history AS h
)

SELECT DISTINCT r.job_id
FROM ranked AS r
WHERE r.place > 1
    AND (r.place > :keep_versions OR r.cut_at < now() - make_interval(secs => :keep_days * 86400))
    AND r.version IS DISTINCT FROM last_good_version(r.job_id)
    AND r.version IS DISTINCT FROM (
        SELECT n.checkpoint_before FROM job_runs AS n WHERE n.job_id = r.job_id ORDER BY n.id DESC LIMIT 1
    )
ORDER BY r.job_id;

-- name: read_history_marks(job_id, keep_days)^
-- What decides which versions of a job go: their numbers and times, those that stay whatever their age, and the oldest
-- moment that is kept.
SELECT
    ARRAY(SELECT h.version FROM job_checkpoint_history AS h WHERE h.job_id = :job_id ORDER BY h.version) AS versions,
    ARRAY(SELECT h.cut_at FROM job_checkpoint_history AS h WHERE h.job_id = :job_id ORDER BY h.version) AS times,
    ARRAY(
        SELECT h.version FROM job_checkpoint_history AS h WHERE h.job_id = :job_id AND h.whole IS NOT NULL
    ) AS whole,
    array_remove(ARRAY[
        last_good_version(:job_id),
        (SELECT r.checkpoint_before FROM job_runs AS r WHERE r.job_id = :job_id ORDER BY r.id DESC LIMIT 1)
    ], NULL) AS protected,
    now() - make_interval(secs => :keep_days * 86400) AS older_than;

-- name: make_whole(job_id, version, whole)!
-- From now on a version stands for itself: the ones before it may go.
UPDATE job_checkpoint_history SET whole = :whole::text::jsonb WHERE job_id = :job_id AND version = :version;

-- name: drop_versions(job_id, versions)!
-- Versions that go; what follows them is whole.
DELETE FROM job_checkpoint_history WHERE job_id = :job_id AND version = ANY(:versions::integer[]);

-- name: put_checkpoints(job_id, rows)!
-- Moves these partitions, as text [{stream, partition, bookmark, resume, schema_version, gone}]; all others stay as they
-- are. The caller holds the job and cuts a version.
WITH given AS (
    SELECT r.stream, r.partition, r.bookmark, r.resume, r.schema_version, coalesce(r.gone, false) AS gone
    FROM jsonb_to_recordset(:rows::text::jsonb) AS r (
        stream text, partition text, bookmark jsonb, resume jsonb, schema_version integer, gone boolean
    )
),

forgotten AS (
    DELETE FROM job_checkpoints AS c USING given
    WHERE c.job_id = :job_id AND c.stream = given.stream AND c.partition = given.partition AND given.gone
)

INSERT INTO job_checkpoints (job_id, stream, partition, bookmark, resume, schema_version)
SELECT
    :job_id, given.stream, given.partition, nullif(given.bookmark, 'null'), nullif(given.resume, 'null'),
    coalesce(given.schema_version, 1)
FROM given
WHERE NOT given.gone
ORDER BY given.stream, given.partition
ON CONFLICT (job_id, stream, partition) DO UPDATE
SET bookmark = excluded.bookmark, resume = excluded.resume, schema_version = excluded.schema_version,
    updated_at = now();

-- name: put_legacy_checkpoint(job_id, source, actor, reason, document)$
-- A document of another form becomes the checkpoint; returns its version. The caller holds the job.
SELECT put_legacy_checkpoint(:job_id, :source, :actor, :reason, :document::text::jsonb);

-- name: doubt_walks(job_id, streams)!
-- Partitions of these streams were forgotten: the next whole walk of the others is no proof that rows are gone, for it says
-- nothing of theirs. It ends without deletions.
INSERT INTO walk_keys (job_id, stream, partition, hashes)
SELECT :job_id, s.stream, NULL, NULL
FROM unnest(:streams::text[]) AS s (stream)
WHERE NOT EXISTS (
    SELECT FROM walk_keys AS k WHERE k.job_id = :job_id AND k.stream = s.stream AND k.partition IS NULL AND k.hashes IS NULL
);

-- name: list_past_reading(job_id, at_most)
-- What the newest ended runs read, newest first, with the rows of each stream; null streams when they are not known.
SELECT
    r.id, r.finished_at, r.checkpoint_before, r.is_partial,
    coalesce((r.counters ->> 'rows_extracted')::bigint, 0) AS rows,
    (
        SELECT jsonb_object_agg(p.stream, p.rows) FROM run_progress AS p WHERE p.run_id = r.id AND p.stage = 'extract'
    ) AS streams
FROM job_runs AS r
WHERE r.job_id = :job_id AND r.state IN ('SUCCEEDED', 'FAILED', 'CANCELLED') AND r.trigger <> 'backfill' AND NOT r.options ? 'replay_rejects'
ORDER BY r.id DESC
LIMIT :at_most;

-- name: list_keyless_streams(job_id)
-- Streams whose rows have no key: what is read again is appended again.
SELECT d.stream FROM destination_tables AS d WHERE d.job_id = :job_id AND d.key = '{}' ORDER BY d.stream;

-- name: begin_edit(job_id, held_by, reason, minutes)^
-- Holds a job while its checkpoint is edited; no row when something else holds it already.
UPDATE etl_jobs
SET held = true, held_by = :held_by, hold_reason = :reason, hold_outlasts_run = false,
    held_until = now() + make_interval(mins => :minutes)
WHERE id = :job_id AND (NOT held OR held_until <= now() OR (held_by = :held_by AND hold_reason = :reason))
RETURNING held_until;

-- name: renew_edit(job_id, held_by, reason, minutes)^
-- Moves the end of such a hold on; no row when it is not there any more.
UPDATE etl_jobs
SET held_until = now() + make_interval(mins => :minutes)
WHERE id = :job_id AND held AND held_by = :held_by AND hold_reason = :reason
RETURNING held_until;

-- name: end_edit(job_id, held_by, reason)!
-- Ends such a hold; another one stays.
UPDATE etl_jobs
SET held = false, hold_reason = NULL, held_by = NULL, held_until = NULL
WHERE id = :job_id AND held AND held_by = :held_by AND hold_reason = :reason;

-- name: hold_of(job_id)^
-- What holds a job.
SELECT held, held_by, hold_reason, held_until FROM etl_jobs WHERE id = :job_id;

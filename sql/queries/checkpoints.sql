-- Checkpoints: rows per job, stream and partition.

-- name: list_checkpoints(job_id)
-- Where each partition stands; schema_version is that of the connector's models that wrote it.
SELECT stream, partition, bookmark, resume, schema_version FROM job_checkpoints WHERE job_id = :job_id;

-- name: move_checkpoints(job_id, fragments)!
-- Moves partitions to where a loaded batch leaves them: [{stream, partition, bookmark, resume, version}]. In the transaction
-- that loads the batch, so that data and checkpoint always agree.
INSERT INTO job_checkpoints (job_id, stream, partition, bookmark, resume, schema_version)
SELECT
    :job_id, f.stream, f.partition, nullif(f.bookmark, 'null'), nullif(f.resume, 'null'), coalesce(f.version, 1)
FROM jsonb_to_recordset(:fragments)
    AS f (stream text, partition text, bookmark jsonb, resume jsonb, version integer)
ORDER BY f.stream, f.partition
ON CONFLICT (job_id, stream, partition) DO UPDATE
SET bookmark = excluded.bookmark, resume = excluded.resume, schema_version = excluded.schema_version,
    updated_at = now();

-- name: delete_checkpoints(job_id)!
-- Forgets where every partition of a job stands. The caller holds the job and cuts a version.
DELETE FROM job_checkpoints WHERE job_id = :job_id;

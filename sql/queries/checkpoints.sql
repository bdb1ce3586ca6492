-- Checkpoints: rows per job, stream and partition.

-- name: list_checkpoints(job_id)
-- Where each partition stands.
SELECT stream, partition, bookmark, resume FROM job_checkpoints WHERE job_id = :job_id;

-- name: move_checkpoints(job_id, fragments)!
-- Moves partitions to where a loaded batch leaves them: [{stream, partition, bookmark, resume}]. In the transaction
-- that loads the batch, so that data and checkpoint always agree.
INSERT INTO job_checkpoints (job_id, stream, partition, bookmark, resume)
SELECT :job_id, f.stream, f.partition, nullif(f.bookmark, 'null'), nullif(f.resume, 'null')
FROM jsonb_to_recordset(:fragments) AS f (stream text, partition text, bookmark jsonb, resume jsonb)
ORDER BY f.stream, f.partition
ON CONFLICT (job_id, stream, partition) DO UPDATE
SET bookmark = excluded.bookmark, resume = excluded.resume, updated_at = now();

-- name: delete_checkpoints(job_id)!
-- Forgets where every partition of a job stands. The caller holds the job and cuts a version.
DELETE FROM job_checkpoints WHERE job_id = :job_id;

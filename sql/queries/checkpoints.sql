-- Checkpoints: rows per job, stream and partition.

-- name: list_checkpoints(job_id)
-- Where each partition stands; schema_version is that of the connector's models that wrote it.
SELECT stream, partition, bookmark, resume, schema_version FROM job_checkpoints WHERE job_id = :job_id;

-- name: delete_checkpoints(job_id)!
-- Forgets where every partition of a job stands. The caller holds the job and cuts a version.
DELETE FROM job_checkpoints WHERE job_id = :job_id;

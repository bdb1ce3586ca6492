"""Where files are: a disk of the worker, an object store, an SFTP server, the web."""

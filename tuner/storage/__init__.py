"""Where checkpoints and small files are kept: a folder or S3.

In reading order:
    storage.py    Storage: checkpoints and files by name
    backend.py    protocol StorageBackend, StorageError
    local.py      a folder
    s3.py         a bucket
    retention.py  names the checkpoints of a trial and keeps the last two
"""

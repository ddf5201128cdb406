"""gunicorn's settings (`--config python:air_risk.gunicorn`)."""

bind = "0.0.0.0:8000"
workers = 2
threads = 4
graceful_timeout = 30
timeout = 30
accesslog = "-"
# Heartbeats in memory: a worker must never wait for the overlay file system.
worker_tmp_dir = "/dev/shm"

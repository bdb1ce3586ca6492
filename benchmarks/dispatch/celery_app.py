"""Celery as its users run it: RabbitMQ, no results, a task that only says that it ran."""

from __future__ import annotations

import os

from celery import Celery

app = Celery("benchmark", broker=os.environ["BENCH_AMQP_URL"])
app.conf.update(task_ignore_result=True, worker_hijack_root_logger=False, task_default_queue="celery-bench")
_done = os.open(os.environ["BENCH_DONE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def _noop() -> None:
    os.write(_done, b".")


noop = app.task(name="noop")(_noop)

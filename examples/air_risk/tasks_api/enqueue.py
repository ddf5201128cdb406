"""From a submission to a message in Celery's broker."""

from celery import current_app
from kombu.exceptions import OperationalError

from air_quality.tasks import (
    cleanup_old_rasters,
    process_data,
    run_daily_ingestion_pipeline,
    test_task,
)
from correction.tasks import retrain_all_models, train_correction_model
from exposure.tasks import calculate_district_exposure, detect_hotspots
from reports.tasks import generate_report, generate_scheduled_reports
from tasks_api.submission import Submission

QUEUES = ("gis", "default")

# What may be submitted from outside, by name.
TASKS = {
    "air_quality.tasks.run_daily_ingestion_pipeline": run_daily_ingestion_pipeline,
    "air_quality.tasks.cleanup_old_rasters": cleanup_old_rasters,
    "air_quality.tasks.process_data": process_data,
    "air_quality.tasks.test_task": test_task,
    "correction.tasks.retrain_all_models": retrain_all_models,
    "correction.tasks.train_correction_model": train_correction_model,
    "exposure.tasks.calculate_district_exposure": calculate_district_exposure,
    "exposure.tasks.detect_hotspots": detect_hotspots,
    "reports.tasks.generate_scheduled_reports": generate_scheduled_reports,
    "reports.tasks.generate_report": generate_report,
}


class BrokerUnavailable(RuntimeError):
    """The broker did not confirm the message."""


def enqueue(submission: Submission) -> str:
    """Hand a submission to Celery.

    Returns:
        Celery's id of the task, once Redis has confirmed the message.

    Raises:
        BrokerUnavailable: Redis cannot be reached or refused.
    """
    # queue=None would not mean the task's own queue but the default one
    route = {"queue": submission.queue} if submission.queue else {}
    # without retries kombu wraps what happens on connecting, not what happens on sending
    connection_errors = current_app.connection_for_write().connection_errors
    try:
        result = TASKS[submission.task].apply_async(
            args=submission.args,
            kwargs={"uid": submission.uid, "seconds": submission.seconds},
            countdown=submission.countdown or None,
            **route,
        )
    except (OperationalError, *connection_errors) as error:
        raise BrokerUnavailable(str(error)) from error
    return result.id

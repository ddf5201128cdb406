"""From a submission to a task in the queue."""

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
from reports.tasks import generate_report, generate_scheduled_reports, send_report
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
    "reports.tasks.send_report": send_report,
}


class BrokerUnavailable(RuntimeError):
    """The broker did not confirm the task."""


def hand_over(submission: Submission) -> str:
    """Hand a submission to the broker.

    Returns:
        The id of the task, once the broker has confirmed it.

    Raises:
        BrokerUnavailable: the broker cannot be reached or refused.
    """
    # a task has a queue of its own, which counts unless another one was asked for
    route = {"queue": submission.queue} if submission.queue else {}
    try:
        result = TASKS[submission.task].apply_async(
            args=submission.args,
            kwargs={"uid": submission.uid, "seconds": submission.seconds},
            countdown=submission.countdown or None,
            **route,
        )
    except (OperationalError, *current_app.connection_for_write().connection_errors) as error:
        raise BrokerUnavailable(str(error)) from error
    return result.id

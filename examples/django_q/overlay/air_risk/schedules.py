"""The schedules that the application brings with it (manage.py setup_schedules).

Times are those of Q_CLUSTER["time_zone"]. The names are those that the entries had in
Celery's beat schedule.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class CronSchedule:
    """One row of Django-Q's table of schedules.

    Attributes:
        name: unique name of the row.
        func: dotted name of the function.
        cron: minute, hour, day of month, month, day of week, in numbers.
        queue: a key of settings.TASK_CLUSTERS.
    """

    name: str
    func: str
    cron: str
    queue: str


SCHEDULES = (
    CronSchedule(
        name="daily-ingestion-pipeline",
        func="air_quality.tasks.run_daily_ingestion_pipeline",
        cron="0 6 * * *",
        queue="gis",
    ),
    CronSchedule(
        name="weekly-model-retraining",
        func="correction.tasks.retrain_all_models",
        cron="0 2 * * 0",
        queue="gis",
    ),
    CronSchedule(
        name="daily-scheduled-reports",
        func="reports.tasks.generate_scheduled_reports",
        cron="0 8 * * *",
        queue="default",
    ),
    CronSchedule(
        name="hourly-raster-cleanup",
        func="air_quality.tasks.cleanup_old_rasters",
        cron="30 * * * *",
        queue="default",
    ),
)

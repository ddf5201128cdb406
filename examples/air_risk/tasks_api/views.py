"""`POST /tasks/`: enqueue one task."""

import inspect

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from tasks_api.enqueue import QUEUES, TASKS, BrokerUnavailable, hand_over
from tasks_api.submission import InvalidSubmission, parse


@csrf_exempt  # called by programs: no cookie, no session, nothing to forge
@require_POST
def submit(request: HttpRequest) -> JsonResponse:
    """Enqueue a task: 202 once the broker has it, 400 and 503 with the reason."""
    try:
        submission = parse(request.body, TASKS, QUEUES)
        parameters = {"uid": submission.uid, "seconds": submission.seconds}
        inspect.signature(TASKS[submission.task]).bind(*submission.args, **parameters)
    except InvalidSubmission as error:
        return JsonResponse({"error": str(error)}, status=400)
    except TypeError as error:
        return JsonResponse({"error": f"args do not fit {submission.task}: {error}."}, status=400)
    try:
        task_id = hand_over(submission)
    except BrokerUnavailable as error:
        return JsonResponse({"error": f"The broker did not take the task: {error}"}, status=503)
    return JsonResponse({"uid": submission.uid, "id": task_id}, status=202)

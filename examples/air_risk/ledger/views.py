"""Reading the ledger over HTTP."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from ledger.models import Execution

DEFAULT_LIMIT = 100
MAX_LIMIT = 10_000
FIELDS = ("uid", "task", "engine", "started_at", "finished_at")


@require_safe
def executions(request: HttpRequest) -> JsonResponse:
    """List executions, the latest first: `?uid=` those of one run, `?limit=` how many."""
    limit = request.GET.get("limit", str(DEFAULT_LIMIT))
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit) <= MAX_LIMIT:
        return JsonResponse({"error": f"limit must be 1 to {MAX_LIMIT}."}, status=400)
    rows = Execution.objects.order_by("-started_at")
    if uid := request.GET.get("uid"):
        rows = rows.filter(uid=uid)
    return JsonResponse({"executions": list(rows.values(*FIELDS)[: int(limit)])})

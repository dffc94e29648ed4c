"""The rollout report: events and a probe's samples as one HTML page, and as data."""

from hashistack.ops.report.page import ReportUnwritable, data, html, write
from hashistack.ops.report.timeline import Timeline, timeline

__all__ = ["ReportUnwritable", "Timeline", "data", "html", "timeline", "write"]

"""The plan on disk: one SQLite file that show, explain and apply read, and that can be moved between machines."""

from leanplum_sync.planfile.reading import PlanFile, open_plan
from leanplum_sync.planfile.writing import PlanWriter

__all__ = ["PlanFile", "PlanWriter", "open_plan"]

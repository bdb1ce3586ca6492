"""A job's checkpoint: read it, its history and what differs; repair it, with a plan before and an undo after.

`plan(conn, job_id, Rewind(17))` tells what will happen, `repair(...)` does it. What can be asked for is in
`etl_core.rules.checkpoints.repairs`.
"""

from etl_core.control.checkpoints.checking import Problem as Problem
from etl_core.control.checkpoints.checking import check_text as check_text
from etl_core.control.checkpoints.edit_hold import AlreadyHeld as AlreadyHeld
from etl_core.control.checkpoints.edit_hold import begin_edit as begin_edit
from etl_core.control.checkpoints.edit_hold import end_edit as end_edit
from etl_core.control.checkpoints.edit_hold import renew_edit as renew_edit
from etl_core.control.checkpoints.reading import diff_versions as diff_versions
from etl_core.control.checkpoints.reading import list_versions as list_versions
from etl_core.control.checkpoints.reading import read_checkpoint as read_checkpoint
from etl_core.control.checkpoints.reading import read_version as read_version
from etl_core.control.checkpoints.repair import parse_document as parse_document
from etl_core.control.checkpoints.repair import plan as plan
from etl_core.control.checkpoints.repair import repair as repair

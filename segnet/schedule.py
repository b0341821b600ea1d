"""How far a training has come, from 0 to 1: by steps, or by the clock where that comes first."""

from __future__ import annotations

from dataclasses import dataclass

_PLAN_CHANGES_FROM = 0.05  # smaller changes of the estimate are noise


@dataclass
class Plan:
    """The step at which a training will end, and its progress at any step.

    Progress runs linearly from the last change of plan (``anchor_step``, ``anchor_progress``) to 1 at
    ``last_step``. As long as the plan is not changed, progress is step / last_step.
    """

    last_step: int
    anchor_step: int = 0
    anchor_progress: float = 0.0

    def progress(self, step: int) -> float:
        """Return the progress at a step, at most 1."""
        share = (step - self.anchor_step) / max(1, self.last_step - self.anchor_step)
        return self.anchor_progress + (1 - self.anchor_progress) * min(share, 1.0)

    def adapt(self, step: int, seconds: float, limit_seconds: float, most_steps: int) -> None:
        """Plan to end when the time is up, at the pace so far, or after ``most_steps``.

        So a time limit does not cut a schedule off in the middle: the learning rate still falls to its end.
        A machine that reaches ``most_steps`` within the limit never changes the plan, and its result does
        not depend on the clock.
        """
        remaining = max(0.0, limit_seconds - seconds) * step / seconds
        last_step = min(most_steps, max(step + 1, step + int(remaining)))
        if abs(last_step - self.last_step) <= _PLAN_CHANGES_FROM * self.last_step:
            return
        self.anchor_progress = self.progress(step)
        self.anchor_step, self.last_step = step, last_step

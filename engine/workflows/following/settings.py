"""Settings of `peaks`: the one model that the command line and dialogs are drawn from."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator


class PeaksSettings(BaseModel):
    """Settings of `peaks`; unknown names are refused, units stand in the names.

    Examples
    --------
    >>> PeaksSettings(particles="1,4").named_particles()
    {1, 4}
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    alpha: float = Field(
        1e-3,
        gt=0,
        lt=0.5,
        description="Probability that noise alone gives a pair of reflections anywhere in one spectrum.",
    )
    crystal: str | None = Field(
        None,
        description="Crystal whose lattice planes are held against the reflections: a chemical symbol such "
        "as Au, or a structure file (.cif, .xyz, …).",
    )
    particles: str = Field(
        "all", description="Particles whose reflections are followed: all, or numbers such as 1,4,7."
    )
    contrast: float = Field(
        0.06,
        gt=0,
        le=2,
        description="Contrast of a fringe that is worth seeing: a particle too faint for it has too few "
        "counts.",
    )
    most_ratio: float = Field(
        10.0,
        ge=1,
        description="Largest ratio (noise floored) of the strongest reflection to that of a second direction "
        "at which columns count as resolved.",
    )

    classifier: str | None = Field(
        None,
        description="Network that tells from each spectrum whether a particle lies along a zone axis, shows "
        "fringes in one direction, or neither: zone-axis, or a model's folder; none where not given.",
    )

    @field_validator("particles")
    @classmethod
    def _known_particles(cls, value: str) -> str:
        if value != "all" and not all(part.strip().isdigit() for part in value.split(",")):
            raise ValueError(f"expected all, or particle numbers such as 1,4,7, got {value!r}")
        return value

    def named_particles(self) -> set[int]:
        """Particles asked for by number; none where all are wanted."""
        return set() if self.particles == "all" else {int(part) for part in self.particles.split(",")}

"""What several tests of labelling use."""

import pytest


@pytest.fixture
def red_expert():
    """An expert that finds what is red."""
    from ivm.labeling.expert import Expert, ExpertSpec
    from labeling_tasks import ColorModel

    return Expert.load(ExpertSpec(name="red", make=ColorModel))

"""A run on a Ray cluster of two nodes on this machine, one of which is lost in the middle; its report goes to stdout.

    python two_nodes.py RECIPE GATE

The file GATE decides how far the LMM answers (`labeling_lmm.py`), and so when the node is lost.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

os.environ["RAY_BACKEND_LOG_LEVEL"] = "fatal"


def main(recipe: Path, gate: Path) -> None:
    import ray
    from ray.cluster_utils import Cluster

    from ivm.labeling.recipe import read_recipe

    small = {"object_store_memory": 100 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 6, **small})
    other = cluster.add_node(num_cpus=6, **small)
    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
    used: set[str] = set()
    run = read_recipe(recipe).run()
    lost = []

    def progress(done: int, total: int) -> None:
        if done >= 2 and not lost:
            used.update(actor["NodeID"] for actor in _actors())
            cluster.remove_node(other, allow_graceful=False)
            lost.append(done)
            gate.write_text("1000000")

    with read_recipe(recipe).engine_for(run.stages) as engine:
        report = run.run(engine, progress=progress)
    print(json.dumps({"records": report.records, "tasks": report.tasks, "nodes": len(used), "lost_after": lost}))
    ray.shutdown()
    cluster.shutdown()


def _actors() -> list[dict[str, str]]:
    import ray

    return [
        {"NodeID": actor["Address"]["NodeID"]}
        for actor in ray._private.state.actors().values()
        if actor["State"] == "ALIVE"
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

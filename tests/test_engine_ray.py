"""The Ray engine on a local cluster: the same table as the local engine's, whatever breaks."""

import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from broken_trainers import BROKEN, plan, tiny_recipe
from test_build import flat_cost

from nasbench import engine_ray
from nasbench.build import build
from nasbench.build_folder import BuildError, read_journals
from nasbench.engine import Effort, Job
from nasbench.rehearsal import REHEARSAL
from nasbench.results import decode
from nasbench.sealed import open_table
from nasbench.table import FAILED

RECIPE = tiny_recipe()


def test_without_ray_a_clear_word(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"the Ray engine needs Ray .*pip install '\.\[ray\]' in the checkout"):
        engine_ray.ray_engine()


@pytest.mark.slow
def test_a_cluster_of_its_own_is_gone_afterwards(tmp_path, reference):
    """Before the cluster of the other tests is there: the engine starts one and ends it, and leaves signals as they were."""
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    assert not ray.is_initialized()
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    options = {"devices": ("rehearsal:0",), "trainer": REHEARSAL, "cost_model": flat_cost()}
    engine = engine_ray.ray_engine(cpus=2)
    report = build(RECIPE, tmp_path / "b", tmp_path / "t.h5", effort=Effort(2), engine=engine, **options)
    assert report.digest == reference.digest
    assert not ray.is_initialized()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    with pytest.raises(BuildError, match="no Ray cluster at auto"):
        build(RECIPE, tmp_path / "c", effort=Effort(2), engine=engine_ray.ray_engine("auto"), **options)


@pytest.fixture(scope="module")
def cluster():
    """A cluster of this machine with two (fake) GPUs, for all tests of this file."""
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    ray = engine_ray.import_ray()
    environment = {"env_vars": {"PYTHONPATH": str(Path(__file__).parent)}}  # where broken_trainers is
    ray.init(num_cpus=4, num_gpus=2, include_dashboard=False, log_to_driver=False, runtime_env=environment)
    yield ray
    ray.shutdown()


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    return build(
        RECIPE, folder / "b", folder / "t.h5", devices=("rehearsal:0",), trainer=REHEARSAL, cost_model=flat_cost()
    )


def on_ray(folder, device, *, trainer=BROKEN, workers=3, gpus=0.0, **options):
    effort = Effort(workers, **options.pop("effort", {}))
    engine = engine_ray.ray_engine(gpus=gpus)
    output = folder.with_suffix(".h5")
    return build(
        RECIPE,
        folder,
        output,
        effort=effort,
        devices=(device,),
        trainer=trainer,
        engine=engine,
        cost_model=flat_cost(),
        **options,
    )


@pytest.mark.slow
def test_the_same_table_as_the_local_engine_s(tmp_path, cluster, reference):
    report = on_ray(tmp_path / "b", "rehearsal:0", trainer=REHEARSAL, rng=np.random.default_rng(5))
    assert (report.trained, report.failed, report.digest) == (60, {}, reference.digest)


@pytest.mark.slow
def test_a_build_begun_here_goes_on_there(tmp_path, cluster, reference):
    build(RECIPE, tmp_path / "b", devices=("rehearsal:0",), trainer=REHEARSAL, shard=(0, 2))
    report = on_ray(tmp_path / "b", "rehearsal:0", trainer=REHEARSAL)
    assert (report.trained, report.digest) == (30, reference.digest)


@pytest.mark.slow
def test_actors_that_die_or_raise_are_replaced(tmp_path, cluster, reference):
    groups = {"10": ["kill"], "20": ["error", "kill"], "30": ["error"]}
    report = on_ray(tmp_path / "b", plan(tmp_path / "plan", groups=groups))
    assert (report.finished, report.failed, report.digest) == (60, {}, reference.digest)
    records = [
        decode(payload).group for journal in read_journals(tmp_path / "b", RECIPE) for payload in journal.payloads
    ]
    assert sorted(records) == list(range(60))


@pytest.mark.slow
def test_what_fails_three_times_is_given_up(tmp_path, cluster):
    report = on_ray(tmp_path / "b", plan(tmp_path / "plan", groups={"10": ["error"] * 3}))
    assert list(report.failed) == [10]
    assert "no memory for the activations" in report.failed[10]
    assert (open_table(report.table).datasets["digits"].status == FAILED).sum() == 2


@pytest.mark.slow
def test_environments_and_data_are_checked(tmp_path, cluster):
    on_ray(tmp_path / "b", plan(tmp_path / "plan"), shard=(0, 2))
    with pytest.raises(BuildError, match=r"'here' -> 'there'.* it gives other bits"):
        on_ray(tmp_path / "b", plan(tmp_path / "plan", environment="there", shift=1))
    with pytest.raises(BuildError, match="data set digits is not the one"):
        on_ray(tmp_path / "b", plan(tmp_path / "plan", data="other"))
    with pytest.raises(BuildError, match=r"can't start: .*no memory"):
        on_ray(tmp_path / "b", plan(tmp_path / "plan", start="error"))


@pytest.mark.slow
def test_actors_share_gpus(tmp_path, cluster):
    """Four actors on two (made-up) GPUs: each sees one of them, as Ray's bookkeeping says."""
    ray = cluster
    job = Job(RECIPE, tmp_path, REHEARSAL, ("rehearsal:0",))

    class Spy(engine_ray.GroupActor):
        def gpus(self):
            return ray.get_gpu_ids()

    remote = ray.remote(num_cpus=1, num_gpus=0.5)(Spy)
    actors = [remote.remote(job, "rehearsal:0") for _ in range(4)]
    seen = sorted(str(gpu) for actor in actors for gpu in ray.get(actor.gpus.remote()))
    for actor in actors:
        ray.kill(actor)
    assert seen == ["0", "0", "1", "1"]
    with pytest.raises(ValueError, match="gpus is -1"):
        engine_ray.ray_engine(gpus=-1)

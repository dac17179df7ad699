"""Each wall bites: with it down an attack from native code gets through, with it alone up the same attack ends exactly so."""

import os
from collections.abc import Iterator

import pytest

from dspex.isolation.layers import JAIL, Layer
from dspex.worker.jail.namespaces import NAMESPACES
from tests.ablation.arena import Ablation, Arena
from tests.ablation.attacks import ATTACKS
from tests.process.worker.jailed import STARTERS, run

starters = pytest.mark.parametrize("starter", STARTERS)

ALL_UP = {
    "EPERM": """
        read_file write_file stat_file stat_file_as_if_open change_mode change_times list_root read_victim_environment
        read_victim_memory_file read_mount_table steal_descriptor signal_neighbour signal_victim signal_group
        join_victim_namespace connect_tcp send_udp connect_abstract_socket connect_named_socket read_shared_memory
        read_host_name start_process become_root open_netlink write_new_code grow_memory_file open_many_descriptors
    """,
    "SIGSYS": """
        trace_victim read_victim_memory read_neighbour_memory read_session_key execute_program change_root
        open_namespaces open_io_uring open_userfaultfd create_bpf_map open_perf_counter
    """,
    "EBADF": "use_inherited_descriptor",
    "ENODATA": "read_own_environment",
}

USER, MOUNT = Layer.USER_NAMESPACE, Layer.MOUNT_NAMESPACE
ALONE = [
    ((Layer.CLEAN_ENV,), {"read_own_environment": "ENODATA"}),
    ((Layer.OWN_SESSION,), {"signal_group": "not delivered"}),
    ((Layer.CLOSED_FDS,), {"use_inherited_descriptor": "EBADF"}),
    ((Layer.OWN_KEYRING,), {"read_session_key": "ENOKEY"}),
    (
        (USER,),
        {
            "trace_victim": "EPERM",
            "read_victim_memory": "EPERM",
            "read_victim_memory_file": "EACCES",
        },
    ),
    ((Layer.PID_NAMESPACE,), {"signal_victim": "ESRCH", "steal_descriptor": "ESRCH"}),
    (
        (Layer.NETWORK_NAMESPACE,),
        {
            "connect_tcp": "ENETUNREACH",
            "send_udp": "ENETUNREACH",
            "connect_abstract_socket": "ECONNREFUSED",
        },
    ),
    ((Layer.IPC_NAMESPACE,), {"read_shared_memory": "ENOENT"}),
    ((Layer.UTS_NAMESPACE,), {"read_host_name": "ENODATA"}),
    ((USER, Layer.NO_NESTED_NAMESPACES), {"open_namespaces": "ENOSPC"}),
    (
        (USER, MOUNT, Layer.EMPTY_ROOT),
        {
            "read_file": "ENOENT",
            "stat_file": "ENOENT",
            "stat_file_as_if_open": "ENOENT",
            "change_mode": "ENOENT",
            "list_root": "ENODATA",
            "connect_named_socket": "ENOENT",
            "execute_program": "ENOENT",
        },
    ),
    ((Layer.RLIMITS,), {"grow_memory_file": "EFBIG", "open_many_descriptors": "EMFILE"}),
    ((Layer.UNPRIVILEGED_USER, Layer.CAPABILITIES, Layer.RLIMITS), {"start_process": "EAGAIN"}),
    (
        (Layer.UNPRIVILEGED_USER, Layer.CAPABILITIES, Layer.NOT_DUMPABLE),
        {"read_neighbour_memory": "EPERM"},
    ),
    ((Layer.NO_NEW_CODE,), {"write_new_code": "EACCES"}),
    (
        (Layer.NO_NEW_PRIVS, Layer.LANDLOCK),
        {
            "read_file": "EACCES",
            "write_file": "EACCES",
            "execute_program": "EACCES",
            "connect_tcp": "EACCES",
            "connect_abstract_socket": "EPERM",
            "signal_victim": "EPERM",
            "signal_neighbour": "EPERM",
            "read_neighbour_memory": "EPERM",
        },
    ),
]


@pytest.fixture(scope="module")
def arena() -> Iterator[Arena]:
    with Arena() as arena:
        yield arena


@pytest.fixture(scope="module", params=STARTERS)
def started_as(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def none_up(arena: Arena, started_as: str) -> Ablation:
    return arena.run(without=JAIL, as_ordinary_user=started_as == "ordinary")


@pytest.fixture(scope="module")
def all_up(arena: Arena, started_as: str) -> Ablation:
    return arena.run(as_ordinary_user=started_as == "ordinary")


def test_with_no_wall_every_attack_gets_through(none_up: Ablation, started_as: str) -> None:
    able = {each.name for each in ATTACKS if started_as == "root" or not each.needs_root}
    assert none_up.reached() == able


def test_the_table_of_endings_names_every_attack_once() -> None:
    named = [name for names in ALL_UP.values() for name in names.split()]
    assert sorted(named) == sorted(attack.name for attack in ATTACKS)


@pytest.mark.parametrize(
    ("attack", "ending"),
    [(name, ending) for ending, names in ALL_UP.items() for name in names.split()],
)
def test_with_all_walls_an_attack_ends_exactly_so(
    all_up: Ablation, attack: str, ending: str
) -> None:
    assert not all_up.absent
    result = all_up.results[attack]
    assert (result.reached, result.ending) == (False, ending)


@pytest.mark.parametrize(
    ("standing", "endings"), ALONE, ids=lambda each: getattr(each, "name", None)
)
def test_a_wall_with_only_what_it_needs_stops_what_it_is_for(
    arena: Arena,
    started_as: str,
    none_up: Ablation,
    standing: tuple[Layer, ...],
    endings: dict[str, str],
) -> None:
    if started_as == "ordinary" and standing[-1] in NAMESPACES:
        standing = (USER, *standing)
    down = [layer for layer in JAIL if layer not in standing]
    ablation = arena.run(without=down, as_ordinary_user=started_as == "ordinary")
    assert set(ablation.armed) == {layer.value for layer in standing}
    assert set(endings) <= none_up.reached()
    assert {name: ablation.results[name].ending for name in endings} == endings
    # With the last-named wall down again, one of them gets through: it is this wall that stops it.
    fewer = [*down, standing[-1]]
    control = arena.run(without=fewer, as_ordinary_user=started_as == "ordinary")
    assert control.reached() & set(endings)


@starters
@pytest.mark.parametrize(
    ("layer", "link"),
    [
        (Layer.USER_NAMESPACE, "user"),
        (Layer.MOUNT_NAMESPACE, "mnt"),
        (Layer.PID_NAMESPACE, "pid"),
        (Layer.NETWORK_NAMESPACE, "net"),
        (Layer.IPC_NAMESPACE, "ipc"),
        (Layer.UTS_NAMESPACE, "uts"),
        (Layer.CGROUP_NAMESPACE, "cgroup"),
    ],
)
def test_a_namespace_is_another_one_only_when_its_wall_is_up(
    starter: str, layer: Layer, link: str
) -> None:
    lines = f"""
outside = os.readlink("/proc/self/ns/{link}")
confine(spec._replace(without=all_but(*map(Layer, STANDING))))
say(outside == os.readlink("/proc/self/ns/{link}"))
os._exit(0)
"""
    up = lines.replace("STANDING", repr([USER.value, layer.value]))
    down = lines.replace("STANDING", "[]")
    assert run(up, starter=starter) == (0, "False\n", "")
    assert run(down, starter=starter) == (0, "True\n", "")


@starters
def test_the_status_of_a_zygote_tells_of_no_rights(starter: str) -> None:
    lines = """
status_fd = os.open("/proc/self/status", os.O_RDONLY)
confine(spec._replace(without=(Layer.SECCOMP, Layer.CLOSED_FDS, Layer.PID_NAMESPACE)))
os.lseek(status_fd, 0, 0)
say(syscalls.prctl(3), os.getuid(), os.getgid(), os.getgroups() in ([], [65534]))
os._exit(0)
"""
    assert run(lines, starter=starter) == (0, "0 65534 65534 True\n", "")


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user has nothing to give up")
def test_root_becomes_a_user_whose_rights_are_gone() -> None:
    lines = """
fd = os.open("/proc/thread-self/status", os.O_RDONLY)
os.close(fd)
confine(spec._replace(without=all_but(Layer.UNPRIVILEGED_USER, Layer.CAPABILITIES, Layer.NO_NEW_PRIVS)))
wanted = ("Uid:", "Gid:", "Groups:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:", "NoNewPrivs:")
for line in open("/proc/self/status"):
    if line.startswith(wanted):
        say(*line.split())
os._exit(0)
"""
    nothing = "0" * 16
    expected = (
        "Uid: 65534 65534 65534 65534\nGid: 65534 65534 65534 65534\nGroups:\n"
        f"CapPrm: {nothing}\nCapEff: {nothing}\nCapBnd: {nothing}\nCapAmb: {nothing}\nNoNewPrivs: 1\n"
    )
    assert run(lines, starter="root") == (0, expected, "")

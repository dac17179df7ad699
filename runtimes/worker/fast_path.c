/*
 * The fast path: a zygote that forks workers, and a worker's one run to its end, without the host's Python.
 *
 * A worker is a fork of a zygote, which is a Python process. What such a fork costs is the pages that it writes, and
 * Python writes four hundred by doing next to nothing. An ordinary run asks its host for a handful of things: its
 * request, randomness, the time, output, and to take its reply. Those are answered here. Everything else, and
 * whatever goes wrong, is Python's: the first call that is not known here wakes it up (`wake_python`), and it goes on
 * as if it had served the run from the start. So nothing is decided here that is not decided in
 * dspex/languages/python.py as well, and no rule is kept here that is not kept there; when in doubt, Python is woken.
 *
 * Who is trusted: the supervisor's messages are, but they are checked all the same; the guest is not. It gives
 * addresses in its own memory, which are checked against its size, and bytes, which are copied and never looked at.
 *
 * Nothing here allocates before the jail stands, nothing is freed, and nothing returns but to Python.
 * `struct life` is laid out a second time in dspex/wasm/fast_path.py; `LIFE_VERSION` and its size are compared there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIFE_VERSION 1
#define EXIT_INTERNAL 70
#define HEADER_BYTES 4
#define FRAME_BYTES_MAX (1u << 30)
#define RECEIVE_BYTES (1 << 16)
#define RANDOM_BYTES_MAX 256
#define LINE_BYTES_MAX (1 << 13)
#define FILENAME_BYTES_MAX 1024
#define ORDER_BYTES_MAX (64 * 1024)
#define CHILDREN_MAX 8192
#define KEPT_MAX 64
#define MSGPACK_NIL 0xc0
#define POPULATE_WRITE 23 /* MADV_POPULATE_WRITE */
#define EXPORT __attribute__((visibility("default")))

/* What the guest's driver calls its channels; see dspex/languages/python.py. */
#define REQUEST_FD (1 << 20)
#define REPLY_FD (REQUEST_FD + 1)

typedef union {
    int32_t i32;
    int64_t i64;
    unsigned char raw[16];
} value;

typedef void *(*host_call)(void *env, void *caller, value *values, size_t count);

struct range {
    uint64_t start, bytes;
};

enum mode { MODE_PYTHON, MODE_FAST };
enum stage { STAGE_NONE, STAGE_READY, STAGE_WARMING, STAGE_RUNNING, STAGE_OVER };
enum call { CALL_OTHER, CALL_READ, CALL_WRITE, CALL_CLOCK, CALL_RANDOM };

enum served { SERVED_HUNG_UP, SERVED_ORDER, SERVED_ENDED, SERVED_WORKER };

struct life {
    /* What Python says in the zygote. */
    uint64_t version;
    void *(*call_guest)(void *context, const void *function, value *values, size_t count, void **trap);
    void (*before_fork)(void);
    void (*after_fork_parent)(void);
    void (*after_fork_child)(void);
    void (*take_over)(void); /* Python's, once it is awake in the midst of a turn */

    void *context;
    const void *turn;
    int64_t turn_argument;
    const struct range *python; /* what Python writes, beside what every worker does */
    uint64_t python_count;
    uint8_t *memory;
    uint64_t memory_bytes;
    uint8_t *flag; /* four bytes through which the guest is interrupted */
    int64_t wakeup_fd; /* where CPython's signal handler writes: becomes the file behind that page */
    const uint8_t *warm_request;
    uint64_t warm_request_bytes;

    int64_t zygote_pid; /* 0: no parent-death signal */
    int64_t landlock_fd; /* -1: none */
    int64_t limits; /* whether there are rlimits */
    int64_t may_multiply;
    const void *filter; /* struct sock_fprog, or null */
    uint8_t *filter_bytes;
    const uint64_t *filter_places; /* where the worker's own number belongs in it */
    uint64_t filter_places_count;
    int64_t kept[KEPT_MAX]; /* descriptors, ascending; -1 ends them */

    const struct range *shelved; /* the zygote's memory that only its Python uses */
    uint64_t shelved_count;
    int64_t shelf_fd; /* a memory file with room for it; -1 when that is done, or is not to be */
    int64_t control, wake_read; /* where orders come from, and where a signal is seen */
    int64_t cpu_max_s, data_base_bytes, data_max_bytes; /* limits of workers' limits; no base: -1 */

    /* What is said of one worker, by Python or in an order. */
    int64_t connection;
    int64_t cpu_limit_s; /* -1: none */
    int64_t data_limit_bytes; /* -1: none */
    int64_t warm;
    int64_t tell; /* for a rehearsal: where to say that it is over, and then wait to be killed; -1 */
    int64_t holder_pid; /* of a rehearsal: another child, to be killed when the worker has been looked at */

    /* What Python finds in the zygote when it is its turn. */
    const uint8_t *order;
    uint64_t order_bytes;
    int64_t ended_pid, ended_status;

    /* What Python finds in a worker when it is woken. */
    int64_t stage;
    const uint8_t *received;
    uint64_t received_bytes;
    uint64_t request_read_bytes;
    uint64_t output_bytes;
    const uint8_t *request;
    uint64_t request_bytes;
    const uint8_t *reply;
    uint64_t reply_bytes;
    double began_s, cpu_began_s;
    int64_t result;
    void *error;
    void *trap;

    /* Its own. */
    int64_t mode, awake;
    uint64_t reply_bytes_max;
    uint64_t reply_room;
    uint64_t output_bytes_max;
    uint64_t run;
    double wall_s, cpu_s;
    uint8_t *reply_buffer;
};

struct import {
    struct life *life;
    host_call python;
    int64_t call;
};

static struct timespec now(clockid_t clock)
{
    struct timespec at;
    clock_gettime(clock, &at);
    return at;
}

static int64_t nanoseconds(struct timespec at) { return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec; }

/* As Python divides, to the last bit: either side may subtract what the other has read. */
static double seconds(struct timespec at) { return (double)nanoseconds(at) / 1e9; }

static void die(const char *what)
{
    dprintf(STDERR_FILENO, "fast path: %s: %s\n", what, strerror(errno));
    _exit(EXIT_INTERNAL);
}

/*
 * Get this process' own copies of the pages that Python will write: in one sweep, which takes a third of the time that
 * it takes by a fault each. Kernels before 5.14 do not know how, and nothing rests on it.
 */
static void copy_python(struct life *life)
{
    for (uint64_t i = 0; i < life->python_count; i++)
        if (madvise((void *)life->python[i].start, life->python[i].bytes, POPULATE_WRITE) < 0 && errno == EINVAL)
            break;
    life->python_count = 0;
}

/* Give this process its Python back. The calling thread holds the GIL, as it has all the time. */
static void wake_python(struct life *life)
{
    life->mode = MODE_PYTHON;
    if (life->awake)
        return;
    life->awake = 1;
    copy_python(life);
    life->after_fork_child();
}

/* ---- What the guest asks for ---- */

static uint8_t *span(struct life *life, uint32_t at, uint32_t size)
{
    if ((uint64_t)at + size > life->memory_bytes)
        return NULL;
    return life->memory + at;
}

/* The only vector of a read or write, and where its result goes: whoever has more goes to Python. */
static uint8_t *only_vector(struct life *life, value *v, uint32_t *size, uint8_t **result)
{
    uint32_t vector[2];
    const uint8_t *at = span(life, (uint32_t)v[1].i32, sizeof vector);
    *result = span(life, (uint32_t)v[3].i32, sizeof(uint32_t));
    if (v[2].i32 != 1 || !at || !*result)
        return NULL;
    memcpy(vector, at, sizeof vector);
    *size = vector[1];
    return span(life, vector[0], vector[1]);
}

static bool send_frame(int64_t connection, const struct iovec *parts, int count)
{
    struct iovec left[4];
    uint32_t total = 0;
    uint8_t header[HEADER_BYTES];
    struct iovec *next = left;

    for (int i = 0; i < count; i++) {
        left[i + 1] = parts[i];
        total += (uint32_t)parts[i].iov_len;
    }
    for (int i = 0; i < HEADER_BYTES; i++)
        header[i] = (uint8_t)(total >> (8 * i));
    left[0] = (struct iovec){header, HEADER_BYTES};
    count++;
    while (count) {
        ssize_t sent = writev((int)connection, next, count);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return false;
        while (count && (size_t)sent >= next->iov_len) {
            sent -= (ssize_t)next->iov_len;
            next++;
            count--;
        }
        if (count) {
            next->iov_base = (uint8_t *)next->iov_base + sent;
            next->iov_len -= (size_t)sent;
        }
    }
    return true;
}

static void say(struct life *life, const struct iovec *parts, int count)
{
    if (send_frame(life->connection, parts, count))
        return;
    if (errno == EPIPE)
        _exit(0); /* the supervisor hung up; nobody wants the rest */
    die("send");
}

/* Writers of msgpack: each returns the place after what it wrote. */

static uint8_t *put_big(uint8_t *at, uint8_t kind, uint64_t number, int bytes)
{
    *at++ = kind;
    for (int i = bytes - 1; i >= 0; i--)
        *at++ = (uint8_t)(number >> (8 * i));
    return at;
}

static uint8_t *put_uint(uint8_t *at, uint64_t number)
{
    if (number < 0x80) {
        *at = (uint8_t)number;
        return at + 1;
    }
    return put_big(at, 0xcf, number, 8);
}

static uint8_t *put_int(uint8_t *at, int64_t number)
{
    return number < 0 ? put_big(at, 0xd3, (uint64_t)number, 8) : put_uint(at, (uint64_t)number);
}

static uint8_t *put_double(uint8_t *at, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return put_big(at, 0xcb, bits, 8);
}

static uint8_t *put_bytes(uint8_t *at, uint64_t size) { return put_big(at, 0xc6, size, 4); }

static bool read_request(struct life *life, value *v)
{
    uint32_t size;
    uint8_t *result, *target = only_vector(life, v, &size, &result);

    if (v[0].i32 != REQUEST_FD || !target)
        return false;
    if (size > life->request_bytes - life->request_read_bytes)
        size = (uint32_t)(life->request_bytes - life->request_read_bytes);
    memcpy(target, life->request + life->request_read_bytes, size);
    life->request_read_bytes += size;
    memcpy(result, &size, sizeof size);
    return true;
}

static bool write_output(struct life *life, int stream, const uint8_t *data, uint32_t size)
{
    uint8_t head[32], *at = head;

    if (life->stage != STAGE_RUNNING || size > life->output_bytes_max - life->output_bytes)
        return false;
    if (!size)
        return true;
    *at++ = 0x94;
    at = put_uint(at, 2);
    at = put_uint(at, life->run);
    at = put_uint(at, (uint64_t)stream);
    at = put_bytes(at, size);
    say(life, (struct iovec[]){{head, (size_t)(at - head)}, {(void *)data, size}}, 2);
    life->output_bytes += size;
    return true;
}

static bool write_reply(struct life *life, const uint8_t *data, uint32_t size)
{
    if (size > life->reply_bytes_max)
        return false;
    if (size > life->reply_room) {
        life->reply_buffer = malloc(size);
        if (!life->reply_buffer)
            return false;
        life->reply_room = size;
    }
    memcpy(life->reply_buffer, data, size);
    life->reply = life->reply_buffer;
    life->reply_bytes = size;
    return true;
}

static bool write_to(struct life *life, value *v)
{
    uint32_t size;
    uint8_t *result;
    const uint8_t *data = only_vector(life, v, &size, &result);
    bool done = false;

    if (!data)
        return false;
    if (v[0].i32 == REPLY_FD)
        done = write_reply(life, data, size);
    else if (v[0].i32 == STDOUT_FILENO || v[0].i32 == STDERR_FILENO)
        done = write_output(life, v[0].i32, data, size);
    if (done)
        memcpy(result, &size, sizeof size);
    return done;
}

static bool tell_time(struct life *life, value *v)
{
    static const clockid_t clocks[] = {
        CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_PROCESS_CPUTIME_ID,
    };
    uint8_t *result = span(life, (uint32_t)v[2].i32, sizeof(int64_t));
    int64_t ns;

    if (v[0].i32 < 0 || v[0].i32 > 3 || !result)
        return false;
    ns = nanoseconds(now(clocks[v[0].i32]));
    memcpy(result, &ns, sizeof ns);
    return true;
}

static bool draw(struct life *life, value *v)
{
    uint32_t size = (uint32_t)v[1].i32;
    uint8_t *target = span(life, (uint32_t)v[0].i32, size);

    return target && size <= RANDOM_BYTES_MAX && getrandom(target, size, 0) == (ssize_t)size;
}

/* What wasmtime calls for each import of the guest; `env` says which. */
EXPORT void *dspex_answer(void *env, void *caller, value *values, size_t count)
{
    const struct import *import = env;
    struct life *life = import->life;

    if (life->mode == MODE_FAST) {
        bool done = false;
        switch ((enum call)import->call) {
        case CALL_READ: done = read_request(life, values); break;
        case CALL_WRITE: done = write_to(life, values); break;
        case CALL_CLOCK: done = tell_time(life, values); break;
        case CALL_RANDOM: done = draw(life, values); break;
        case CALL_OTHER: break;
        }
        if (done) {
            values[0].i32 = 0;
            return NULL;
        }
        wake_python(life);
        life->take_over();
    }
    return import->python(NULL, caller, values, count);
}

/* ---- The request ---- */

struct reader {
    const uint8_t *at, *end;
    bool bad;
};

static uint64_t big(struct reader *r, int bytes)
{
    uint64_t number = 0;

    if (r->bad || r->end - r->at < bytes) {
        r->bad = true;
        return 0;
    }
    while (bytes--)
        number = number << 8 | *r->at++;
    return number;
}

static uint64_t get_length(struct reader *r, uint8_t short_kind, uint8_t short_mask, const uint8_t *kinds)
{
    uint8_t kind = (uint8_t)big(r, 1);

    if (short_mask && (kind & ~short_mask) == short_kind)
        return kind & short_mask;
    for (int i = 0; i < 3; i++)
        if (kinds[i] && kind == kinds[i])
            return big(r, 1 << i);
    r->bad = true;
    return 0;
}

static uint64_t get_array(struct reader *r) { return get_length(r, 0x90, 0x0f, (const uint8_t[]){0, 0xdc, 0xdd}); }
static uint64_t get_map(struct reader *r) { return get_length(r, 0x80, 0x0f, (const uint8_t[]){0, 0xde, 0xdf}); }

static const uint8_t *taken(struct reader *r, uint64_t size)
{
    const uint8_t *at = r->at;

    if (r->bad || size > (uint64_t)(r->end - r->at)) {
        r->bad = true;
        return NULL;
    }
    r->at += size;
    return at;
}

static const uint8_t *get_text(struct reader *r, uint64_t *size)
{
    *size = get_length(r, 0xa0, 0x1f, (const uint8_t[]){0xd9, 0xda, 0xdb});
    return taken(r, *size);
}

static const uint8_t *get_data(struct reader *r, uint64_t *size)
{
    *size = get_length(r, 0, 0, (const uint8_t[]){0xc4, 0xc5, 0xc6});
    return taken(r, *size);
}

static uint64_t get_uint(struct reader *r)
{
    uint8_t kind = (uint8_t)big(r, 1);

    if (kind < 0x80)
        return kind;
    if (kind >= 0xcc && kind <= 0xcf)
        return big(r, 1 << (kind - 0xcc));
    r->bad = true;
    return 0;
}

static double get_amount(struct reader *r)
{
    double number;
    uint64_t bits;

    if (!r->bad && r->at < r->end && *r->at != 0xcb)
        return (double)get_uint(r);
    big(r, 1);
    bits = big(r, 8);
    memcpy(&number, &bits, sizeof number);
    return number;
}

static bool get_bool(struct reader *r)
{
    uint8_t kind = (uint8_t)big(r, 1);

    r->bad |= kind != 0xc2 && kind != 0xc3;
    return kind == 0xc3;
}

static void want(struct reader *r, bool so) { r->bad |= !so; }

static bool plain(const uint8_t *text, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++)
        if (text[i] < ' ' || text[i] == '"' || text[i] == '\\')
            return false;
    return true;
}

/*
 * Read a `Run` (dspex/protocol/messages.py), and lay its request out for the driver. False if it asks for anything
 * that is not known here. (It can be called from outside for the tests alone.)
 */
EXPORT bool dspex_read_run(struct life *life, const uint8_t *frame, uint64_t size)
{
    struct reader r = {frame, frame + size, false};
    uint64_t source_bytes, filename_bytes, variables_bytes, empty, value_bytes, value_depth, host_calls;
    const uint8_t *source, *filename, *variables;
    bool stream, single;
    uint8_t *request;
    int line;

    want(&r, get_array(&r) == 15);
    want(&r, get_uint(&r) == 1); /* its tag */
    life->run = get_uint(&r);
    source = get_data(&r, &source_bytes);
    filename = get_text(&r, &filename_bytes);
    variables = get_data(&r, &variables_bytes);
    want(&r, get_map(&r) == 0); /* files */
    get_data(&r, &empty); /* standard input */
    want(&r, empty == 0);
    want(&r, get_array(&r) == 0); /* arguments */
    want(&r, get_map(&r) == 0); /* environment */
    want(&r, get_array(&r) == 11); /* the budget */
    life->wall_s = get_amount(&r);
    life->cpu_s = get_amount(&r);
    get_uint(&r); /* memory: who wants more of it asks Python */
    life->output_bytes_max = get_uint(&r);
    value_bytes = get_uint(&r);
    value_depth = get_uint(&r);
    get_uint(&r); /* files: Python's, all of them */
    get_uint(&r);
    get_uint(&r);
    host_calls = get_uint(&r);
    get_amount(&r);
    stream = get_bool(&r);
    single = get_bool(&r);
    want(&r, big(&r, 1) == MSGPACK_NIL); /* repeatable */
    get_data(&r, &empty); /* tools */
    want(&r, empty == 0);
    want(&r, get_array(&r) == 0); /* mounts */
    want(&r, r.at == r.end && single);
    if (r.bad || filename_bytes > FILENAME_BYTES_MAX || !plain(filename, filename_bytes))
        return false;
    if (!(life->wall_s > 0 && life->wall_s < 1e8 && life->cpu_s > 0 && life->cpu_s < 1e8))
        return false;
    life->reply_bytes_max = value_bytes + 8 * 64 * 1024;
    request = malloc(LINE_BYTES_MAX + source_bytes + variables_bytes);
    if (!request)
        return false;
    line = snprintf((char *)request, LINE_BYTES_MAX,
        "{\"kind\":\"run\",\"single\":true,\"filename\":\"%.*s\",\"args\":[],\"env\":{},\"stream\":%s,"
        "\"value_bytes\":%llu,\"value_depth\":%llu,\"source_bytes\":%llu,\"reseed\":%s,\"host_calls\":%llu,"
        "\"arrays\":false,\"tools\":null}\n",
        (int)filename_bytes, (const char *)filename, stream ? "true" : "false", (unsigned long long)value_bytes,
        (unsigned long long)value_depth, (unsigned long long)source_bytes, life->warm ? "false" : "true",
        (unsigned long long)host_calls);
    memcpy(request + line, source, source_bytes);
    memcpy(request + line + source_bytes, variables, variables_bytes);
    life->request = request;
    life->request_bytes = (uint64_t)line + source_bytes + variables_bytes;
    return true;
}

/* Wait for the first frame. False if what arrived is something else, or too large to be held. */
static bool receive(struct life *life)
{
    static uint8_t room[RECEIVE_BYTES];
    uint8_t *held = room;
    uint64_t capacity = sizeof room, size = 0, have = 0;

    life->received = held;
    for (;;) {
        ssize_t got = recv((int)life->connection, held + have, capacity - have, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            die("recv");
        if (got == 0)
            _exit(0); /* the supervisor hung up */
        have += (uint64_t)got;
        life->received_bytes = have;
        if (have < HEADER_BYTES)
            continue;
        size = HEADER_BYTES + ((uint64_t)held[0] | (uint64_t)held[1] << 8 | (uint64_t)held[2] << 16
            | (uint64_t)held[3] << 24);
        if (have >= size)
            return have == size;
        if (size > FRAME_BYTES_MAX)
            return false;
        if (size > capacity) {
            uint8_t *larger = malloc(size);
            if (!larger)
                return false;
            memcpy(larger, held, have);
            life->received = held = larger;
            capacity = size;
        }
    }
}

/* ---- The jail: what dspex/worker/jail/worker_step.py does, in its order ---- */

static void lower(int kind, int64_t value)
{
    struct rlimit limit = {(rlim_t)value, (rlim_t)value};

    if (setrlimit((__rlimit_resource_t)kind, &limit) < 0)
        die("rlimit");
}

static void close_range_of(unsigned first, unsigned last)
{
    if (first <= last && syscall(SYS_close_range, first, last, 0) < 0)
        for (unsigned fd = first; fd <= last && fd < 1u << 16; fd++)
            close((int)fd);
}

/* Close all but two descriptors and `kept`. */
static void close_others(const int64_t *kept, int64_t one, int64_t other)
{
    unsigned low = 0;
    int64_t first = one < other ? one : other, second = one < other ? other : one;

    for (;;) {
        int64_t next = INT64_MAX;
        if (*kept >= 0)
            next = *kept;
        if (first >= 0 && first < next)
            next = first;
        else if (second >= 0 && second < next)
            next = second;
        if (next == INT64_MAX)
            break;
        if ((unsigned)next > low)
            close_range_of(low, (unsigned)next - 1);
        low = (unsigned)next + 1;
        if (next == first)
            first = -1;
        else if (next == second)
            second = -1;
        if (next == *kept)
            kept++;
    }
    close_range_of(low, ~0u);
}

static void enter_jail(struct life *life)
{
    if (life->zygote_pid) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
            die("parent-death signal");
        if (getppid() != life->zygote_pid)
            die("the zygote that forked this worker is gone");
    }
    if (life->limits) {
        if (life->cpu_limit_s >= 0)
            lower(RLIMIT_CPU, life->cpu_limit_s);
        if (life->data_limit_bytes >= 0)
            lower(RLIMIT_DATA, life->data_limit_bytes);
        if (!life->may_multiply)
            lower(RLIMIT_NPROC, 0);
    }
    if (life->landlock_fd >= 0) {
        if (syscall(SYS_landlock_restrict_self, (int)life->landlock_fd, 0) < 0)
            die("landlock");
        close((int)life->landlock_fd);
    }
    if (life->tell < 0)
        close_others(life->kept, life->connection, life->wakeup_fd);
    if (life->filter) {
        uint32_t self = (uint32_t)getpid();
        for (uint64_t i = 0; i < life->filter_places_count; i++)
            memcpy(life->filter_bytes + life->filter_places[i], &self, sizeof self);
        if (syscall(SYS_seccomp, 1, 1, life->filter) != 0)
            die("seccomp");
    }
}

/* Take a memory file of this process' own for the guest's interrupts: dspex/wasm/interrupt.py, `own` and `attach`. */
static void own_flag(struct life *life)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *page = (uint8_t *)((uintptr_t)life->flag & ~(uintptr_t)(page_bytes - 1));
    off_t offset = life->flag - page;
    int fd;

    fd = memfd_create("dspex-interrupt", MFD_CLOEXEC);
    if (fd < 0 || write(fd, page, page_bytes) != (ssize_t)page_bytes)
        die("interrupt page");
    if (dup3(fd, (int)life->wakeup_fd, O_CLOEXEC) < 0)
        die("interrupt page");
    close(fd);
    fd = (int)life->wakeup_fd;
    if (mmap(page, page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != page)
        die("mmap over the interrupt page");
    if (lseek(fd, offset, SEEK_SET) != offset)
        die("interrupt page");
    memset(life->flag, 0, 4);
}

/* ---- A worker's life ---- */

static void set_timer(int kind, double after_s)
{
    struct itimerval timer = {{0, 0}, {(time_t)after_s, (suseconds_t)((after_s - (double)(time_t)after_s) * 1e6)}};

    if (after_s > 0 && !timer.it_value.tv_sec && !timer.it_value.tv_usec)
        timer.it_value.tv_usec = 1; /* zero would be never */
    if (setitimer((__itimer_which_t)kind, &timer, NULL) < 0)
        die("setitimer");
}

/* Have the guest serve one request; false if it is Python's turn to say how that ended. */
static bool turn(struct life *life)
{
    value values[1];

    memset(values, 0, sizeof values);
    values[0].i32 = (int32_t)life->turn_argument;
    life->request_read_bytes = 0;
    life->error = life->call_guest(life->context, life->turn, values, 1, &life->trap);
    life->result = values[0].i32;
    return life->mode == MODE_FAST && !life->error && !life->trap && life->result;
}

static bool warm(struct life *life)
{
    life->stage = STAGE_WARMING;
    life->request = life->warm_request;
    life->request_bytes = life->warm_request_bytes;
    life->reply_bytes_max = 64 * 1024;
    return turn(life);
}

static bool has_ended(struct life *life)
{
    double wall_s, cpu_s;
    uint32_t flag;
    const uint8_t *line_end;
    uint8_t head[32], value_head[8], tail[64], *at = head, *value_at = value_head, *tail_at = tail;
    uint64_t report_bytes, value_bytes;

    set_timer(ITIMER_REAL, 0);
    set_timer(ITIMER_PROF, 0);
    wall_s = seconds(now(CLOCK_MONOTONIC)) - life->began_s;
    cpu_s = seconds(now(CLOCK_PROCESS_CPUTIME_ID)) - life->cpu_began_s;
    memcpy(&flag, life->flag, sizeof flag);
    line_end = memchr(life->reply, '\n', life->reply_bytes);
    if (flag || wall_s > life->wall_s || cpu_s > life->cpu_s || !line_end)
        return false;
    report_bytes = (uint64_t)(line_end - life->reply);
    value_bytes = life->reply_bytes - report_bytes - 1;

    *at++ = 0x9f; /* an `Ended` has fifteen parts */
    at = put_uint(at, 6);
    at = put_uint(at, life->run);
    at = put_bytes(at, report_bytes);
    value_at = put_bytes(value_at, value_bytes);
    *tail_at++ = MSGPACK_NIL; /* used_up */
    *tail_at++ = MSGPACK_NIL; /* turned_down */
    *tail_at++ = MSGPACK_NIL; /* gone */
    *tail_at++ = 0xc2; /* truncated */
    tail_at = put_double(tail_at, wall_s);
    tail_at = put_double(tail_at, cpu_s);
    tail_at = put_uint(tail_at, life->memory_bytes);
    tail_at = put_uint(tail_at, life->output_bytes);
    *tail_at++ = 0x90; /* files_left_out */
    tail_at = put_double(tail_at, 0);
    *tail_at++ = MSGPACK_NIL; /* fuel */

    /* One part more than a frame has: the report goes where the head ends. */
    {
        uint64_t total = (uint64_t)(at - head) + report_bytes + (uint64_t)(value_at - value_head) + value_bytes
            + (uint64_t)(tail_at - tail);
        uint8_t *frame = malloc(total), *to = frame;
        if (!frame)
            return false;
        to = (uint8_t *)mempcpy(to, head, (size_t)(at - head));
        to = (uint8_t *)mempcpy(to, life->reply, report_bytes);
        to = (uint8_t *)mempcpy(to, value_head, (size_t)(value_at - value_head));
        to = (uint8_t *)mempcpy(to, line_end + 1, value_bytes);
        mempcpy(to, tail, (size_t)(tail_at - tail));
        say(life, (struct iovec[]){{frame, total}}, 1);
    }
    return true;
}

static void end(struct life *life)
{
    char byte = '.';

    if (life->tell >= 0 && write((int)life->tell, &byte, 1) == 1)
        while (recv((int)life->connection, &byte, 1, 0) > 0)
            ; /* somebody looks at this process now */
    _exit(0);
}

/* Return to Python at the given stage: what it finds there it finishes. */
static void return_to_python(struct life *life, enum stage stage)
{
    if (life->mode == MODE_FAST)
        wake_python(life);
    life->stage = stage;
}

static void live(struct life *life)
{
    life->mode = MODE_FAST;
    life->awake = 0;
    life->stage = STAGE_NONE;
    life->received_bytes = life->output_bytes = life->request_bytes = life->request_read_bytes = life->reply_bytes = 0;
    life->reply = (const uint8_t *)"";
    life->result = 1;
    life->error = life->trap = NULL;
    own_flag(life);
    if (life->warm && life->tell < 0) { /* nobody waits for this worker yet, and it may need its Python */
        wake_python(life);
        life->take_over();
        life->mode = MODE_FAST;
    }
    enter_jail(life);
    if (life->warm && !warm(life)) {
        return_to_python(life, STAGE_READY);
        return;
    }
    life->reply_bytes = 0;
    life->stage = STAGE_READY;
    if (!receive(life) || !dspex_read_run(life, life->received + HEADER_BYTES, life->received_bytes - HEADER_BYTES)) {
        return_to_python(life, STAGE_READY);
        return;
    }
    life->stage = STAGE_RUNNING;
    life->began_s = seconds(now(CLOCK_MONOTONIC));
    life->cpu_began_s = seconds(now(CLOCK_PROCESS_CPUTIME_ID));
    set_timer(ITIMER_REAL, life->wall_s);
    set_timer(ITIMER_PROF, life->cpu_s);
    if (turn(life) && has_ended(life))
        end(life);
    if (life->mode == MODE_FAST) {
        wake_python(life);
        life->take_over();
    }
    life->stage = STAGE_OVER;
}

/*
 * Fork a worker. In the parent: its number, or minus the error's. In the worker: 0, and only if Python is needed.
 * The GIL is held by the caller.
 */
EXPORT int64_t dspex_fork(struct life *life)
{
    pid_t pid;
    int error;

    life->before_fork();
    if (life->tell >= 0) {
        /* Who looks for what this worker writes must not find what its parent has written in the meantime: so
           somebody keeps hold of what there is now. */
        life->holder_pid = fork();
        while (life->holder_pid == 0)
            pause();
    }
    pid = fork();
    if (pid == 0) {
        live(life);
        return 0;
    }
    error = errno;
    life->after_fork_parent();
    return pid < 0 ? -error : pid;
}

/* ---- A zygote's life: what dspex/worker/zygote.py does, for workers of one run ---- */

static struct {
    uint64_t worker;
    pid_t pid;
} children[CHILDREN_MAX];
static int children_count;

static uint8_t orders[HEADER_BYTES + ORDER_BYTES_MAX];
static size_t orders_begin, orders_end;
static bool reaping;

/* Send a frame to the supervisor, with two descriptors beside it or none; false if it has hung up. */
static bool tell_supervisor(struct life *life, const uint8_t *body, size_t size, const int *descriptors)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(2 * sizeof(int))];
    } control;
    uint8_t frame[64];
    struct iovec part = {frame, HEADER_BYTES + size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    for (int i = 0; i < HEADER_BYTES; i++)
        frame[i] = (uint8_t)(size >> (8 * i));
    memcpy(frame + HEADER_BYTES, body, size);
    if (descriptors) {
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = sizeof control.room;
        control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(2 * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.head), descriptors, 2 * sizeof(int));
    }
    while (part.iov_len) {
        ssize_t sent = sendmsg((int)life->control, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return false;
        part.iov_base = (uint8_t *)part.iov_base + sent;
        part.iov_len -= (size_t)sent;
        message.msg_control = NULL;
        message.msg_controllen = 0;
    }
    return true;
}

static bool tell_failed(struct life *life, uint64_t worker, int error)
{
    uint8_t body[32], *at = body;

    *at++ = 0x93;
    at = put_uint(at, 10); /* ForkFailed */
    at = put_uint(at, worker);
    at = put_uint(at, (uint64_t)error);
    return tell_supervisor(life, body, (size_t)(at - body), NULL);
}

static int64_t at_most(uint64_t value, int64_t most) { return value < (uint64_t)most ? (int64_t)value : most; }

/* Fork a worker as ordered. False if the supervisor has hung up; `*worker_needs_python` if this is the worker. */
static bool fork_ordered(struct life *life, uint64_t worker, uint64_t cpu_s, uint64_t data_bytes, bool warm,
    bool *worker_needs_python)
{
    uint8_t body[32], *at = body;
    int pair[2], passed[2], error = 0;
    int64_t pid;
    bool told;

    if (children_count == CHILDREN_MAX)
        return tell_failed(life, worker, EAGAIN);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return tell_failed(life, worker, errno);
    life->connection = pair[1];
    life->cpu_limit_s = cpu_s ? at_most(cpu_s, life->cpu_max_s) : -1;
    life->data_limit_bytes
        = life->data_base_bytes < 0 ? -1 : at_most((uint64_t)life->data_base_bytes + data_bytes, life->data_max_bytes);
    life->warm = warm;
    life->tell = -1;
    pid = dspex_fork(life);
    if (pid == 0) {
        *worker_needs_python = true;
        return true;
    }
    close(pair[1]);
    passed[0] = pair[0];
    passed[1] = -1;
    if (pid < 0) {
        error = (int)-pid;
    } else {
        children[children_count].pid = (pid_t)pid;
        children[children_count++].worker = worker;
        passed[1] = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
        error = passed[1] < 0 ? errno : 0;
    }
    if (error) {
        told = tell_failed(life, worker, error);
    } else {
        *at++ = 0x93;
        at = put_uint(at, 9); /* Forked */
        at = put_uint(at, worker);
        at = put_uint(at, (uint64_t)pid);
        told = tell_supervisor(life, body, (size_t)(at - body), passed);
        close(passed[1]);
    }
    close(pair[0]);
    return told;
}

/* Find out who has ended. False if it is Python's turn: none of ours ended, or nobody is there to be told. */
static bool reap(struct life *life, enum served *why)
{
    int state;
    pid_t pid;

    while ((pid = waitpid(-1, &state, WNOHANG)) > 0) {
        int64_t status = WIFSIGNALED(state) ? -WTERMSIG(state) : WEXITSTATUS(state);
        uint8_t body[32], *at = body;
        int which = 0;

        while (which < children_count && children[which].pid != pid)
            which++;
        if (which == children_count) {
            life->ended_pid = pid;
            life->ended_status = status;
            *why = SERVED_ENDED;
            return false;
        }
        *at++ = 0x93;
        at = put_uint(at, 11); /* Exited */
        at = put_uint(at, children[which].worker);
        at = put_int(at, status);
        children[which] = children[--children_count];
        if (status && !tell_supervisor(life, body, (size_t)(at - body), NULL)) {
            *why = SERVED_HUNG_UP;
            return false;
        }
    }
    reaping = false;
    return true;
}

/* Take the next frame that has arrived whole; false if there is none. `*too_large` if there never will be. */
static bool next_order(struct life *life, bool *too_large)
{
    const uint8_t *at = orders + orders_begin;
    size_t have = orders_end - orders_begin, size;

    *too_large = false;
    if (have < HEADER_BYTES)
        return false;
    size = (size_t)at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
    *too_large = size > ORDER_BYTES_MAX;
    if (*too_large || have - HEADER_BYTES < size)
        return false;
    life->order = at + HEADER_BYTES;
    life->order_bytes = size;
    orders_begin += HEADER_BYTES + size;
    return true;
}

/* Do what the order says, if it is for a worker of one run; false if it is Python's turn. */
static bool obey(struct life *life, enum served *why)
{
    struct reader r = {life->order, life->order + life->order_bytes, false};
    uint64_t worker, cpu_s, data_bytes;
    bool warm, worker_needs_python = false;

    want(&r, get_array(&r) == 6);
    want(&r, get_uint(&r) == 7); /* Fork */
    worker = get_uint(&r);
    want(&r, get_uint(&r) == 1); /* requests */
    cpu_s = get_uint(&r);
    data_bytes = get_uint(&r);
    warm = get_bool(&r);
    *why = SERVED_ORDER;
    if (r.bad || r.at != r.end || data_bytes > INT64_MAX / 2)
        return false;
    if (!fork_ordered(life, worker, cpu_s, data_bytes, warm, &worker_needs_python)) {
        *why = SERVED_HUNG_UP;
        return false;
    }
    *why = SERVED_WORKER;
    return !worker_needs_python;
}

/*
 * Put the memory of the zygote's Python onto a shelf: into a file, of which it becomes a private mapping. A fork then has
 * none of its pages to copy the entries of, and whoever wakes Python finds them there. What was moved in the meantime
 * stays where it is.
 */
static void shelve(struct life *life)
{
    off_t offset = 0;
    int fd = (int)life->shelf_fd;

    for (uint64_t i = 0; i < life->shelved_count; i++) {
        void *start = (void *)life->shelved[i].start;
        size_t bytes = life->shelved[i].bytes;
        void *shelf = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

        if (shelf == MAP_FAILED)
            break;
        if (madvise(start, bytes, MADV_NORMAL) == 0) { /* all of it is there */
            memcpy(shelf, start, bytes);
            if (mmap(start, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, offset) != start)
                die("shelf");
        }
        munmap(shelf, bytes);
        offset += (off_t)bytes;
    }
    close(fd);
    life->shelf_fd = -1;
}

/*
 * Fork as the supervisor orders, until it is Python's turn: what `enum served` says, or minus an error's number.
 * The GIL is held by the caller; it is called again when Python has done its part.
 */
EXPORT int64_t dspex_serve(struct life *life)
{
    struct pollfd waits[2] = {{(int)life->control, POLLIN, 0}, {(int)life->wake_read, POLLIN, 0}};
    uint8_t woken[64];
    enum served why;
    bool too_large;

    if (life->shelf_fd >= 0)
        shelve(life);
    for (;;) {
        if (reaping && !reap(life, &why))
            return why;
        while (next_order(life, &too_large))
            if (!obey(life, &why))
                return why;
        if (too_large)
            return -EMSGSIZE;
        memmove(orders, orders + orders_begin, orders_end - orders_begin);
        orders_end -= orders_begin;
        orders_begin = 0;
        if (poll(waits, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        if (waits[1].revents) {
            while (read((int)life->wake_read, woken, sizeof woken) > 0)
                ;
            reaping = true;
        }
        if (waits[0].revents) {
            ssize_t got = recv((int)life->control, orders + orders_end, sizeof orders - orders_end, 0);
            if (got == 0 || (got < 0 && errno == ECONNRESET))
                return SERVED_HUNG_UP;
            if (got < 0 && errno != EINTR)
                return -errno;
            if (got > 0)
                orders_end += (size_t)got;
        }
    }
}

EXPORT uint64_t dspex_life_version(void) { return LIFE_VERSION; }
EXPORT uint64_t dspex_life_bytes(void) { return sizeof(struct life); }

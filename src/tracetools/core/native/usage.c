/* What threads have used of the machine: as recording/usage.py reads it, but without the GIL. */

#include "sampler.h"

#ifdef HAVE_SAMPLER

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

static int64_t
read_system_clock(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0) {
        return -1;
    }
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The clock of `time.perf_counter_ns`, which loops have. */
int64_t
monotonic(void)
{
#ifdef __APPLE__
    return read_system_clock(CLOCK_UPTIME_RAW); /* the other one goes on while the system sleeps */
#else
    return read_system_clock(CLOCK_MONOTONIC);
#endif
}

int64_t
process_cpu(void)
{
    return read_system_clock(CLOCK_PROCESS_CPUTIME_ID);
}

#ifdef __linux__

int64_t
suspended_time(void)
{
    int64_t boot = read_system_clock(CLOCK_BOOTTIME);
    return boot - monotonic();
}

int
own_number(void)
{
    return (int)syscall(SYS_gettid);
}

int64_t
cpu_of(int thread)
{
    /* CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED of Linux's posix-timers.h. It checks the number. */
    return thread == 0 ? -1 : read_system_clock((clockid_t)((~(unsigned)thread << 3) | 6));
}

/* Read a file on a thread as text; return -1 if that fails. */
static int
read_file(int thread, const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/task/%d/%s", thread, name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return -1;
    }
    ssize_t length = read(file, text, size - 1);
    close(file);
    text[length < 0 ? 0 : length] = '\0';
    return length < 0 ? -1 : 0;
}

int
read_usage(int thread, Usage *usage)
{
    static const char label[] = "\nvoluntary_ctxt_switches:";
    char text[8192];
    Usage found;
    found.cpu = cpu_of(thread);
    if (found.cpu < 0 || read_file(thread, "status", text, sizeof(text)) < 0) {
        return -1;
    }
    const char *switches = strstr(text, label);
    if (switches == NULL) {
        return -1;
    }
    found.switches = atoll(switches + strlen(label));
    if (read_file(thread, "schedstat", text, sizeof(text)) < 0) {
        return -1;
    }
    const char *delay = strchr(text, ' ');
    if (delay == NULL) {
        return -1;
    }
    found.delay = atoll(delay);
    found.moment = monotonic();
    found.process = process_cpu();
    *usage = found;
    return 0;
}

#else

int64_t
suspended_time(void)
{
    return 0;
}

int
own_number(void)
{
    return 0;
}

int64_t
cpu_of(int Py_UNUSED(thread))
{
    return -1;
}

int
read_usage(int Py_UNUSED(thread), Usage *Py_UNUSED(usage))
{
    return -1;
}

#endif

PyObject *
usage_as_tuple(const Usage *usage)
{
    if (usage->moment == 0) {
        Py_RETURN_NONE;
    }
    return Py_BuildValue("LLLLL", (long long)usage->moment, (long long)usage->cpu,
                         (long long)usage->delay, (long long)usage->switches,
                         (long long)usage->process);
}

#endif

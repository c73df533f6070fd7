/* The date of a process and of its children, MOVED_S seconds on, which may be below 0.  Clocks that count from the machine's start stay.

   A wait until a date ends when the kernel's clock says so: what is asked for by the moved clock is moved back. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>

#ifndef MOVED_S
#error "how many seconds the date is moved: -DMOVED_S=86400"
#endif
/* Waits do not say by which clock they count; no machine runs for thirty years. */
#define IS_DATE(at) ((at)->tv_sec > 1000000000)

static struct timespec back(const struct timespec *at) {
    struct timespec real = *at;
    if (IS_DATE(at)) real.tv_sec -= MOVED_S;
    return real;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI)) now->tv_sec += MOVED_S;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec, now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    return now ? (*now = exact.tv_sec) : exact.tv_sec;
}

int timespec_get(struct timespec *now, int base) { return base == TIME_UTC && !clock_gettime(CLOCK_REALTIME, now) ? base : 0; }

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex, const struct timespec *restrict at) {
    struct timespec real = back(at);
    return pthread_cond_clockwait(cond, mutex, IS_DATE(at) ? CLOCK_REALTIME : CLOCK_MONOTONIC, &real);
}

int cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict mutex, const struct timespec *restrict at) {
    int failed = pthread_cond_timedwait((pthread_cond_t *)cond, (pthread_mutex_t *)mutex, at);
    return failed == 0 ? thrd_success : failed == ETIMEDOUT ? thrd_timedout : thrd_error;
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict at) {
    struct timespec real = back(at);
    return pthread_mutex_clocklock(mutex, CLOCK_REALTIME, &real);
}

int sem_timedwait(sem_t *restrict sem, const struct timespec *restrict at) {
    struct timespec real = back(at);
    return sem_clockwait(sem, CLOCK_REALTIME, &real);
}

/* Lets chosen calls fail for files below a directory, as a failing disk or a limit would: preloaded into the agent by tests/tests/spool_faults.rs.
   IOC_FAULTS_BELOW names the directory, IOC_FAULTS_FILE a file that holds "CALL NUMBER" while the fault is on; CALL is o(pen), r(ead),
   w(rite) or s(ync), several at once, NUMBER the errno. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static int fault(char call) {
    const char *file = getenv("IOC_FAULTS_FILE");
    if (!file) return 0;
    long fd = syscall(SYS_openat, AT_FDCWD, file, O_RDONLY);
    if (fd < 0) return 0;
    char text[32] = {0};
    long n = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    char *space = n > 0 ? strchr(text, ' ') : NULL;
    if (!space) return 0;
    *space = 0;
    return strchr(text, call) ? atoi(space + 1) : 0;
}
static int below(const char *path) {
    const char *dir = getenv("IOC_FAULTS_BELOW");
    return dir && path && strncmp(path, dir, strlen(dir)) == 0;
}
static int fails_at(const char *path, char call) {
    if (!below(path)) return 0;
    int number = fault(call);
    if (number) errno = number;
    return number;
}
static int fails(int fd, char call) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long n = syscall(SYS_readlink, link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return fails_at(path, call);
}
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        if (fails_at(path, 'o')) return -1; \
        return NEXT(name)(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)
ssize_t read(int fd, void *to, size_t n) { return fails(fd, 'r') ? -1 : NEXT(read)(fd, to, n); }
ssize_t pread64(int fd, void *to, size_t n, off64_t at) { return fails(fd, 'r') ? -1 : NEXT(pread64)(fd, to, n, at); }
ssize_t write(int fd, const void *from, size_t n) { return fails(fd, 'w') ? -1 : NEXT(write)(fd, from, n); }
ssize_t writev(int fd, const struct iovec *v, int n) { return fails(fd, 'w') ? -1 : NEXT(writev)(fd, v, n); }
ssize_t pwrite64(int fd, const void *from, size_t n, off64_t at) { return fails(fd, 'w') ? -1 : NEXT(pwrite64)(fd, from, n, at); }
int fsync(int fd) { return fails(fd, 's') ? -1 : NEXT(fsync)(fd); }
int fdatasync(int fd) { return fails(fd, 's') ? -1 : NEXT(fdatasync)(fd); }
int sync_file_range(int fd, off64_t at, off64_t n, unsigned flags) { return fails(fd, 's') ? -1 : NEXT(sync_file_range)(fd, at, n, flags); }

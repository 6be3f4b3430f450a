/* What a model may do, laid down before its constructors run: this is linked in front of it. The model gets a processor, memory,
   and dse_out, to which the driver writes products. Standard output goes where errors go.

   On Linux (x86-64, AArch64) the kernel ends the program at any system call that is not listed (seccomp filters, Linux 3.5).
   The calls that arrange this are made here and not by the C library, whose functions a model may define itself.
   Elsewhere only the limits hold: no file, no other process.

   Not guarded is what runs earlier still: resolvers of indirect functions (ifunc), which the dynamic linker calls. Nor is
   the compiler, which reads what the model makes it read. */
#define _GNU_SOURCE
#include <stddef.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined __linux__ && defined __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined __linux__ && defined __aarch64__
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#ifdef ARCHITECTURE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/prctl.h>
#include <sys/syscall.h>

static long system_call(long number, long a, long b, long c, long d)
{
#ifdef __x86_64__
    long result;
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = 0;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
#else
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d, x4 __asm__("x4") = 0;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
#endif
}
#define getpid() system_call(SYS_getpid, 0, 0, 0, 0)
#define dup(from) (int)system_call(SYS_dup, from, 0, 0, 0)
#define dup2(from, to) system_call(SYS_dup3, from, to, 0, 0)
#define setrlimit(which, limits) system_call(SYS_prlimit64, 0, which, (long)(limits), 0)
#define prctl(option, a, b) system_call(SYS_prctl, option, a, (long)(b), 0)

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define EQUALS(value, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, then, otherwise)
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)
#define ALLOW(name) EQUALS(SYS_##name, 0, 1), RETURN(SECCOMP_RET_ALLOW)

static void filter(void)
{
    static struct sock_filter rules[] = { /* static, so that no memcpy fills it */
        LOAD(arch), EQUALS(ARCHITECTURE, 1, 0), RETURN(SECCOMP_RET_KILL_PROCESS),
        LOAD(nr),
        ALLOW(read), ALLOW(write), ALLOW(readv), ALLOW(writev), ALLOW(close), ALLOW(lseek), ALLOW(fstat), ALLOW(newfstatat),
        ALLOW(brk), ALLOW(mmap), ALLOW(munmap), ALLOW(mremap), ALLOW(mprotect), ALLOW(madvise),
        ALLOW(rt_sigaction), ALLOW(rt_sigprocmask), ALLOW(rt_sigreturn), ALLOW(sigaltstack), ALLOW(futex),
        ALLOW(exit), ALLOW(exit_group), ALLOW(getpid), ALLOW(gettid), ALLOW(getrandom), ALLOW(clock_gettime),
        ALLOW(gettimeofday), ALLOW(nanosleep), ALLOW(clock_nanosleep), ALLOW(restart_syscall), ALLOW(sched_yield),
#ifdef SYS_time
        ALLOW(time),
#endif
        EQUALS(SYS_ioctl, 0, 1), RETURN(SECCOMP_RET_ERRNO | ENOTTY), /* is it a terminal? */
        EQUALS(SYS_tgkill, 0, 3), LOAD(args[0]), EQUALS(0 /* getpid() */, 0, 1), RETURN(SECCOMP_RET_ALLOW), /* abort() */
        RETURN(SECCOMP_RET_KILL_PROCESS),
    };
    enum { COUNT = sizeof rules / sizeof *rules };
    struct sock_fprog program = {COUNT, rules};
    rules[COUNT - 3].k = (unsigned)getpid();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0) == 0)
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
#else
static void filter(void) {}
#endif

int dse_out = -1;

__attribute__((constructor(101))) void dse_guard(void)
{
    struct rlimit none = {0, 0};
    if (dse_out >= 0)
        return;
    dse_out = dup(1);
    dup2(2, 1);
    setrlimit(RLIMIT_NOFILE, &none);
    setrlimit(RLIMIT_NPROC, &none);
    filter();
}

#ifdef __ELF__ /* before the constructors of libraries, too */
__attribute__((section(".preinit_array"), used)) static void (*const before_all)(void) = dse_guard;
#endif

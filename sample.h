/* sample.h - what a process tree has used, read from /proc: where no cgroup counts
 *
 * Sums over the processes that live at the moment of the look, with what they inherited from children they have waited for; what a
 * process that was never seen used in between is not in it. The launcher says "accounting": "rlimit" then. */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <stdint.h>
#include <sys/types.h>

struct sample {
	uint64_t cpu_ns, user_ns, system_ns;	/* never falls from look to look */
	uint64_t mem_kb, peak_kb;
};

/* Looks at the tree of a sandbox's pid 1, by the host's /proc. Bounded: at most 4,096 processes. */
void sample_take(struct sample *sample, int proc, pid_t init);
/* The final figures, by wait4(2) of the command. */
void sample_end(struct sample *sample, uint64_t user_ns, uint64_t system_ns, uint64_t max_rss_kb);

#endif

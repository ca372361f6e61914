/* available.h - how much memory the host really has left */
#ifndef AVAILABLE_H
#define AVAILABLE_H

#include <stdint.h>

/* MemAvailable of a /proc's meminfo, in KB (proc(5)): what could be had without swapping. UINT64_MAX where it cannot be read. */
uint64_t available_memory_kb(int proc);
/* How many runs at once are begun with where nobody has said: 64, fewer where less than AVAILABLE_RUN_KB a run is there; at least 1. */
unsigned available_runs(uint64_t available_kb);

enum { AVAILABLE_RUNS = 64, AVAILABLE_RUN_KB = 16384 };

#endif

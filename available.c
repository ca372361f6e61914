/* available.c - reads /proc/meminfo: see available.h */
#include "available.h"

#include <string.h>

#include "buf.h"

uint64_t
available_memory_kb(int proc)
{
	char text[512];

	if (text_read(proc, "meminfo", text, sizeof(text)) < 0)
		return UINT64_MAX;
	const char *available = strstr(text, "MemAvailable:");
	if (!available)
		return UINT64_MAX;
	available += 13;
	return text_number(&available);
}

unsigned
available_runs(uint64_t available_kb)
{
	uint64_t runs = available_kb / AVAILABLE_RUN_KB;
	return runs < 1 ? 1 : runs > AVAILABLE_RUNS ? AVAILABLE_RUNS : (unsigned)runs;
}

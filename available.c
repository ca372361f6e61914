/* available.c - reads /proc/meminfo: see available.h */
#include "available.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"

uint64_t
available_memory_kb(int proc)
{
	char text[512];

	int fd = openat(proc, "meminfo", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return UINT64_MAX;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
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

/* malloc.c's tests: of a second malloc beside the program's own */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* Under names of its own; glibc has no guard by this name. */
void *own_malloc(size_t);
void *own_calloc(size_t, size_t);
void *own_realloc(void *, size_t);
void own_free(void *);
#define MALLOC_TESTED
#define malloc own_malloc
#define calloc own_calloc
#define realloc own_realloc
#define free own_free
#ifdef __GLIBC__
uintptr_t __stack_chk_guard = 0x1234567;
#endif
#include "../../malloc.c"

enum { MANY = 3000 };

static bool
is_filled(const unsigned char *data, size_t c, size_t size)
{
	while (size && data[size - 1] == (unsigned char)c)
		size--;
	return !size;
}

static size_t
mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	size_t n = 0;

	for (int c; maps && (c = getc(maps)) != EOF;)
		n += c == '\n';
	if (maps)
		fclose(maps);
	return n;
}

/* The signal that ends a process which does that. */
static int
signal_of(void (*act)(unsigned char *), unsigned char *data)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		signal(SIGILL, SIG_DFL);
		act(data);
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void
free_it(unsigned char *data)
{
	own_free(data);
}

static void
free_twice(unsigned char *data)
{
	own_free(data);
	own_free(data);
}

static void
free_inside(unsigned char *data)
{
	own_free(data + 16);
}

static void
free_before(unsigned char *data)
{
	own_free(data - 32);
}

static void
grow_freed(unsigned char *data)
{
	own_free(data);
	if (!own_realloc(data, 100000))
		_exit(1);
}

static void
write_past_chunk(unsigned char *data)
{
	memset(data, 1, ALIGNMENT);
}

static void
write_past_large(unsigned char *data)
{
	memset(data, 1, 100000 + 3 * 4096);
}

TEST("memory of every size is aligned, zero, and nobody else's")
{
	static unsigned char *all[MANY];
	int unaligned = 0, dirty = 0, changed = 0;

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < MANY; i++) {
			size_t size = i * 7 % 20000;
			all[i] = own_malloc(size);
			unaligned += !all[i] || (uintptr_t)all[i] % 16;
			dirty += !is_filled(all[i], 0, size);
			memset(all[i], (unsigned char)i, size);
		}
		for (size_t i = 0; i < MANY; i++)
			changed += !is_filled(all[i], i, i * 7 % 20000);
		/* One time in order, one from the end, one across. */
		for (size_t i = 0; i < MANY; i++)
			own_free(all[round == 0 ? i : round == 1 ? MANY - 1 - i : i * 1499 % MANY]);
	}
	CHECK_INT(unaligned, 0);
	CHECK_INT(dirty, 0);
	CHECK_INT(changed, 0);
}

TEST("what all was freed of is given back, but a chunk for each small size")
{
	static unsigned char *all[MANY];

	own_free(own_malloc(1));
	size_t before = mappings();
	for (size_t i = 0; i < MANY; i++)
		CHECK((all[i] = own_malloc(i * 7 % 20000)) != NULL);
	CHECK(mappings() > before + 100);
	for (size_t i = 0; i < MANY; i++)
		own_free(all[i]);
	CHECK(mappings() <= before + (size_t)2 * CLASSES_LEN);
}

TEST("a freed slot is wiped and used again")
{
	unsigned char *keep = own_malloc(1000), *first = own_malloc(1000);

	memset(first, 1, 1000);
	own_free(first);
	unsigned char *second = own_malloc(1000);
	CHECK(second == first);
	CHECK(is_filled(second, 0, 1000));
	own_free(second);
	own_free(keep);
	own_free(NULL);
}

TEST("growing and shrinking keep what is there")
{
	unsigned char *data = NULL;

	for (size_t size = 3; size < 1000000; size += size / 3 + 1) {
		data = own_realloc(data, size);
		CHECK(data != NULL);
		if (!data)
			return;
		data[size - 1] = 7;
		data[size / 2] = (unsigned char)size;
		data = own_realloc(data, size);
		CHECK(data && data[size - 1] == 7 && data[size / 2] == (unsigned char)size);
	}
	memset(data, 5, 100);
	data = own_realloc(data, 100);
	CHECK(data && is_filled(data, 5, 100));
	data = own_realloc(data, 0);
	CHECK(data != NULL);
	own_free(data);
}

TEST("sizes that no memory has are refused")
{
	volatile size_t sizes[] = { SIZE_MAX, SIZE_MAX - 70000, PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, SIZE_MAX / 2 - 100000 };
	unsigned char *data = own_malloc(10);

	memset(data, 3, 10);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		errno = 0;
		CHECK(!own_malloc(sizes[i]) && errno == ENOMEM);
		CHECK(!own_realloc(data, sizes[i]) && is_filled(data, 3, 10));
	}
	CHECK(!own_calloc(SIZE_MAX / 8, 9));
	CHECK(!own_calloc(9, SIZE_MAX / 8));
	void *none = own_calloc(0, SIZE_MAX);
	CHECK(none != NULL);
	own_free(none);
	own_free(data);
}

TEST("what was not given out, or is freed twice, ends the process")
{
	static const size_t sizes[] = { 32, 100, 8192, 8193, 100000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		unsigned char *data = own_malloc(sizes[i]), *other = own_malloc(sizes[i]);
		CHECK_INT(signal_of(free_it, data), 0);
		CHECK(signal_of(free_twice, data));
		CHECK(signal_of(grow_freed, data));
		CHECK(signal_of(free_inside, data));
		CHECK(signal_of(free_before, data));
		own_free(data);
		own_free(other);
	}
}

TEST("a write past the end of a chunk or of a large block ends the process")
{
	unsigned char *small = own_malloc(40), *large = own_malloc(100000);

	CHECK_INT(signal_of(write_past_chunk, small), SIGSEGV);
	CHECK_INT(signal_of(write_past_large, large), SIGSEGV);
	own_free(small);
	own_free(large);
}

TEST_MAIN()

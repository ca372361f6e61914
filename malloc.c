/* malloc.c - memory for a server that reads strangers' bytes: musl's malloc in an eighth of the code
 *
 * Memory is in chunks. Each is a mapping of its own that begins, at a multiple of ALIGNMENT, with a head and ends with a page that
 * cannot be touched: what runs over the end of one chunk does not reach the next one's head. A chunk has slots of one size; what is
 * larger than SLOT_MAX has a chunk for itself, which is given back at once. Which slots are taken is said by bits in the head, and
 * nothing is kept in free memory that a use after free could bend. A pointer that was not given out, or is freed twice, ends the
 * process. Freed slots are wiped: no rest of one request is found by the next, and all that is given out is zero.
 *
 * There is one thread, and no signal handler. With any other C library than musl its own malloc is left alone. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if !defined(__GLIBC__) || defined(MALLOC_TESTED)

enum {
	/* Not less than the largest pages are. */
	ALIGNMENT = 65536,
	/* What the slots of a chunk take at most, with its head: what a class may keep. */
	SLOTS_SIZE = 28672,
	/* Powers of two: of few classes, each with a page or more of its own, an idle server has least. */
	SLOT_MIN = 32,
	SLOT_MAX = 8192,
	CLASSES_LEN = 9,
};

struct chunk {
	/* The chunk's address, in a way that nobody can guess. What follows the head is aligned as this. */
	_Alignas(16) uintptr_t check;
	/* Of the chunks of its class that have a free slot. */
	struct chunk *next, *previous;
	struct chunk **class;
	size_t mapped, slot_size, slots, used;
	uint64_t taken[SLOTS_SIZE / SLOT_MIN / 64 + 1];
};

/* Random: the stack protector's, which libc sets. */
extern uintptr_t __stack_chk_guard;

static struct chunk *classes[CLASSES_LEN];

static char *
map_aligned(size_t size)
{
	for (size_t spare = 0;; spare = ALIGNMENT) {
		char *at = mmap(NULL, size + spare, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (at == MAP_FAILED)
			return NULL;
		size_t before = -(uintptr_t)at % ALIGNMENT;
		if (before > spare) {
			/* The next one lies below this one mostly, and needs nothing to spare. */
			munmap(at, size);
			continue;
		}
		if (before)
			munmap(at, before);
		if (before < spare)
			munmap(at + before + size, spare - before);
		return at + before;
	}
}

static struct chunk *
map_chunk(size_t slot_size, size_t slots)
{
	size_t page = (size_t)getpagesize(), size = (sizeof(struct chunk) + slot_size * slots + page - 1) & -page;
	size_t mapped = (size + page + ALIGNMENT - 1) & -(size_t)ALIGNMENT;

	struct chunk *chunk = (struct chunk *)(void *)map_aligned(mapped);
	if (!chunk)
		return NULL;
	if (mprotect(chunk, size, PROT_READ | PROT_WRITE)) {
		munmap(chunk, mapped);
		return NULL;
	}
	chunk->check = (uintptr_t)chunk ^ __stack_chk_guard;
	chunk->mapped = mapped;
	chunk->slot_size = slot_size;
	chunk->slots = slots;
	return chunk;
}

/* The chunk of something given out, and the number of its slot. */
static struct chunk *
find(const void *data, size_t *slot)
{
	struct chunk *chunk = (struct chunk *)((uintptr_t)data & -(uintptr_t)ALIGNMENT);
	size_t offset = (uintptr_t)data - (uintptr_t)(chunk + 1);

	if (chunk->check != ((uintptr_t)chunk ^ __stack_chk_guard))
		__builtin_trap();
	*slot = offset / chunk->slot_size;
	if (offset % chunk->slot_size || *slot >= chunk->slots || !(chunk->taken[*slot / 64] >> *slot % 64 & 1))
		__builtin_trap();
	return chunk;
}

static void
link_chunk(struct chunk *chunk)
{
	chunk->previous = NULL;
	chunk->next = *chunk->class;
	if (chunk->next)
		chunk->next->previous = chunk;
	*chunk->class = chunk;
}

static void
unlink_chunk(struct chunk *chunk)
{
	if (chunk->next)
		chunk->next->previous = chunk->previous;
	*(chunk->previous ? &chunk->previous->next : chunk->class) = chunk->next;
}

void *
malloc(size_t size)
{
	struct chunk **class = NULL, *chunk = NULL;
	size_t slots = 1, slot = 0;

	if (size > PTRDIFF_MAX - 2 * ALIGNMENT) {
		errno = ENOMEM;
		return NULL;
	}
	if (size <= SLOT_MAX) {
		for (class = classes; size > (size_t)SLOT_MIN << (class - classes); class++)
			;
		size = (size_t)SLOT_MIN << (class - classes);
		slots = (SLOTS_SIZE - sizeof(*chunk)) / size;
		chunk = *class;
	}
	if (!chunk) {
		chunk = map_chunk(size, slots);
		if (!chunk)
			return NULL;
		chunk->class = class;
		if (class)
			link_chunk(chunk);
	}
	while (!~chunk->taken[slot / 64])
		slot += 64;
	slot += (size_t)__builtin_ctzll(~chunk->taken[slot / 64]);
	chunk->taken[slot / 64] |= UINT64_C(1) << slot % 64;
	if (++chunk->used == slots && class)
		unlink_chunk(chunk);
	return (char *)(chunk + 1) + slot * size;
}

void
free(void *data)
{
	size_t slot;

	if (!data)
		return;
	struct chunk *chunk = find(data, &slot);
	if (chunk->class) {
		memset(data, 0, chunk->slot_size);
		chunk->taken[slot / 64] &= ~(UINT64_C(1) << slot % 64);
		if (chunk->used-- == chunk->slots)
			link_chunk(chunk);
		/* The last one of its class stays for the next time. */
		if (chunk->used || (!chunk->next && !chunk->previous))
			return;
		unlink_chunk(chunk);
	}
	munmap(chunk, chunk->mapped);
}

void *
calloc(size_t count, size_t size)
{
	if (__builtin_mul_overflow(count, size, &size))
		size = SIZE_MAX;
	return malloc(size);
}

void *
realloc(void *data, size_t size)
{
	size_t slot, old_size = 0;

	if (data) {
		old_size = find(data, &slot)->slot_size;
		if (size <= old_size && size > old_size / 2)
			return data;
	}
	void *copy = malloc(size);
	if (copy && data) {
		memcpy(copy, data, size < old_size ? size : old_size);
		free(data);
	}
	return copy;
}

#endif

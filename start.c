/* start.c - what musl leaves undone for a static program that may lie anywhere in memory
 *
 * Such a program is linked as for address 0, and relocates itself before anything else. The linker packs the list of places that
 * need it as a bitmap (DT_RELR: 0.2 KB in place of 8 KB), which musl reads from 1.2.4 on (2023). For older ones the Makefile has the
 * linker put relocate() before musl's own start (ld --wrap), which has done the few entries of the older kind by then.
 *
 * And musl makes RELRO read-only in its dynamic loader alone, which a static program does not have. */
#include "start.h"

#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef __GLIBC__

#ifndef DT_RELR
#define DT_RELRSZ 35
#define DT_RELR 36
#endif

/* Made by the linker: the beginning of the image and its list of facts. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));
extern const ElfW(Dyn) _DYNAMIC[] __attribute__((visibility("hidden")));

#ifdef START_WRAPPED

typedef int start_main(int, char **, char **);

int __real___libc_start_main(start_main *, int, char **, void (*)(void), void (*)(void), void (*)(void));
int __wrap___libc_start_main(start_main *, int, char **, void (*)(void), void (*)(void), void (*)(void));

/* Is one of the addresses in the list: it names itself when the list has been done. */
static uintptr_t *const volatile probe = (uintptr_t *)(uintptr_t)&probe;

/* The list (https://groups.google.com/g/generic-abi/c/bX460iggiKg): an even word is the address of a place; an odd one has, from bit
 * 1 on, a bit for each of the words that follow the last place. Nothing is called here: libc is not there yet. */
static void
relocate(void)
{
	uintptr_t base = (uintptr_t)&__ehdr_start;
	const uintptr_t *list = NULL;
	uintptr_t *place = NULL;
	size_t len = 0;

	if ((uintptr_t)probe == (uintptr_t)&probe)
		return;
	for (const ElfW(Dyn) *fact = _DYNAMIC; fact->d_tag != DT_NULL; fact++) {
		if (fact->d_tag == DT_RELR)
			list = (const uintptr_t *)(base + fact->d_un.d_ptr);
		else if (fact->d_tag == DT_RELRSZ)
			len = fact->d_un.d_val / sizeof(*list);
	}
	for (size_t i = 0; i < len; i++) {
		if (!(list[i] & 1)) {
			place = (uintptr_t *)(base + list[i]);
			*place++ += base;
			continue;
		}
		for (size_t bit = 1; bit < 8 * sizeof(*list); bit++)
			if (list[i] >> bit & 1)
				place[bit - 1] += base;
		place += 8 * sizeof(*list) - 1;
	}
}

int
__wrap___libc_start_main(start_main *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
    void (*loader_fini)(void))
{
	relocate();
	return __real___libc_start_main(main, argc, argv, init, fini, loader_fini);
}

#endif

void
start_seal(void)
{
	const ElfW(Phdr) *segment = (const ElfW(Phdr) *)((uintptr_t)&__ehdr_start + __ehdr_start.e_phoff);
	uintptr_t page = (uintptr_t)getpagesize();

	for (size_t i = 0; i < __ehdr_start.e_phnum; i++, segment++) {
		if (segment->p_type != PT_GNU_RELRO)
			continue;
		uintptr_t begin = ((uintptr_t)&__ehdr_start + segment->p_vaddr) & -page;
		uintptr_t end = ((uintptr_t)&__ehdr_start + segment->p_vaddr + segment->p_memsz) & -page;
		if (end > begin && mprotect((void *)begin, end - begin, PROT_READ))
			_exit(125);
	}
}

#else

void
start_seal(void)
{
}

#endif

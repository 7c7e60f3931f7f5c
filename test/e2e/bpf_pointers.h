/* What bpf_pointers' program hands to its reader: what came of one pointer of one hit of a probe. */
#ifndef BPF_POINTERS_H
#define BPF_POINTERS_H

enum { POINTERS_ARGS = 6, POINTERS_TEXT = 64 };
enum what { A_NUMBER, AN_ID_OF_16, AN_ID_OF_8, A_TEXT }; /* two bits an argument in a cookie, whose upper half is the probe's place */

struct looked {
	unsigned int process, probe, arg;
	int bytes; /* what bpf_probe_read_user answers, of an id's bytes, or of a text's first */
	int text;  /* and bpf_probe_read_user_str, which counts the NUL */
	char of[POINTERS_TEXT];
};

#endif

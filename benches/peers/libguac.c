/*
 * Measures libguac's parser and writer over a corpus. Built by the benchmark against the libguac sources of the
 * user's; nothing of libguac is part of this project.
 *
 * usage: libguac parse|encode FILE PASSES. Prints bytes, instructions, elements and CPU seconds of all passes.
 */
#include <fcntl.h>
#include <guacamole/layer.h>
#include <guacamole/parser.h>
#include <guacamole/protocol.h>
#include <guacamole/socket.h>
#include <guacamole/stream.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define READ_BYTES 8192

/* One instruction of the corpus, its numbers read. */
typedef struct job {
    char kind;
    int n[9];
    long long time;
    const char* text;
    unsigned char* data;
    int length;
} job;

static double cpu_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec
        + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static char* load(const char* path, long* length) {
    FILE* file = fopen(path, "rb");
    if (file == NULL) exit(2);
    fseek(file, 0, SEEK_END);
    *length = ftell(file);
    rewind(file);
    char* data = malloc(*length + 1);
    if (fread(data, 1, *length, file) != (size_t) *length) exit(2);
    fclose(file);
    data[*length] = 0;
    return data;
}

/* The parser keeps its state between calls; an instruction that ended is followed by a fresh one. */
static guac_parser* fresh(guac_parser* parser) {
    parser->opcode = NULL;
    parser->argc = 0;
    parser->state = GUAC_PARSE_LENGTH;
    parser->__elementc = 0;
    parser->__element_length = 0;
    return parser;
}

/* Shows the parser the data as reads of 8 KiB would uncover it, without copying. */
static int walk(char* data, long length, void (*each)(guac_parser*, void*), void* context,
        unsigned long* instructions, unsigned long* elements) {
    guac_parser* parser = guac_parser_alloc();
    long at = 0, end = 0;
    while (end < length) {
        end = end + READ_BYTES < length ? end + READ_BYTES : length;
        for (;;) {
            int parsed = guac_parser_append(parser, data + at, end - at);
            if (parser->state == GUAC_PARSE_ERROR) return 1;
            at += parsed;
            if (parser->state == GUAC_PARSE_COMPLETE) {
                (*instructions)++;
                *elements += parser->argc + 1;
                if (each != NULL) each(parser, context);
                fresh(parser);
            }
            else if (parsed == 0) break;
        }
    }
    guac_parser_free(parser);
    return 0;
}

typedef struct jobs { job* all; size_t count, room; } jobs;

static void remember(guac_parser* parser, void* context) {
    static const char* const names[] = { "size", "name", "img", "blob", "end", "copy", "rect", "cfill", "cursor",
        "mouse", "sync", "key", "nop", "ack", "transfer", "clipboard", "argv", "file", "log", NULL };
    static const char kinds[] = "SNIBECRFUMYKOATPVDL";
    jobs* list = context;
    if (list->count == list->room) {
        list->room = list->room ? list->room * 2 : 1 << 16;
        list->all = realloc(list->all, list->room * sizeof(job));
    }
    job* next = &list->all[list->count];
    memset(next, 0, sizeof(job));
    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], parser->opcode) == 0) next->kind = kinds[i];
    if (next->kind == 0) { fprintf(stderr, "unexpected %s\n", parser->opcode); exit(3); }
    for (int i = 0; i < parser->argc && i < 9; i++) next->n[i] = atoi(parser->argv[i]);
    switch (next->kind) {
        case 'M': next->time = atoll(parser->argv[3]); break;
        case 'K': next->time = atoll(parser->argv[2]); break;
        case 'Y': next->time = atoll(parser->argv[0]); break;
        case 'I': next->text = parser->argv[3]; break;
        case 'A': next->text = parser->argv[1]; break;
        case 'N': next->text = parser->argv[0]; break;
        case 'B':
            next->data = malloc(strlen(parser->argv[1]) + 1);
            strcpy((char*) next->data, parser->argv[1]);
            next->length = guac_protocol_decode_base64((char*) next->data);
            break;
    }
    list->count++;
}

static void send_job(guac_socket* socket, const job* j) {
    const int* n = j->n;
    guac_layer a = { .index = 0 }, b = { .index = 0 };
    guac_stream stream = { .index = n[0] };
    switch (j->kind) {
        case 'S': a.index = n[0]; guac_protocol_send_size(socket, &a, n[1], n[2]); break;
        case 'N': guac_protocol_send_name(socket, j->text); break;
        case 'I': a.index = n[2]; guac_protocol_send_img(socket, &stream, n[1], &a, j->text, n[4], n[5]); break;
        case 'B': guac_protocol_send_blob(socket, &stream, j->data, j->length); break;
        case 'E': guac_protocol_send_end(socket, &stream); break;
        case 'C': a.index = n[0]; b.index = n[6];
            guac_protocol_send_copy(socket, &a, n[1], n[2], n[3], n[4], n[5], &b, n[7], n[8]); break;
        case 'T': a.index = n[0]; b.index = n[6];
            guac_protocol_send_transfer(socket, &a, n[1], n[2], n[3], n[4], n[5], &b, n[7], n[8]); break;
        case 'R': a.index = n[0]; guac_protocol_send_rect(socket, &a, n[1], n[2], n[3], n[4]); break;
        case 'F': a.index = n[1]; guac_protocol_send_cfill(socket, n[0], &a, n[2], n[3], n[4], n[5]); break;
        case 'U': a.index = n[2]; guac_protocol_send_cursor(socket, n[0], n[1], &a, n[3], n[4], n[5], n[6]); break;
        case 'M': guac_protocol_send_mouse(socket, n[0], n[1], n[2], j->time); break;
        case 'K': guac_protocol_send_key(socket, n[0], n[1], j->time); break;
        case 'Y': guac_protocol_send_sync(socket, j->time, n[1]); break;
        case 'O': guac_protocol_send_nop(socket); break;
        case 'A': guac_protocol_send_ack(socket, &stream, j->text, n[2]); break;
    }
}

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    int passes = atoi(argv[3]);
    long length;
    char* original = load(argv[2], &length);
    char* work = malloc(length);
    unsigned long instructions = 0, elements = 0;
    double cpu = 0;
    if (strcmp(argv[1], "parse") == 0) {
        for (int pass = 0; pass < passes; pass++) {
            /* The parser writes terminators into the data; the copy is not measured. */
            memcpy(work, original, length);
            double before = cpu_seconds();
            if (walk(work, length, NULL, NULL, &instructions, &elements)) { fprintf(stderr, "parse error\n"); return 1; }
            cpu += cpu_seconds() - before;
        }
    }
    else {
        jobs list = { 0 };
        memcpy(work, original, length);
        if (walk(work, length, remember, &list, &instructions, &elements)) return 1;
        instructions *= passes;
        elements *= passes;
        guac_socket* socket = guac_socket_open(open("/dev/null", O_WRONLY));
        double before = cpu_seconds();
        for (int pass = 0; pass < passes; pass++) {
            for (size_t i = 0; i < list.count; i++) send_job(socket, &list.all[i]);
            guac_socket_flush(socket);
        }
        cpu = cpu_seconds() - before;
    }
    printf("%llu %lu %lu %.6f\n", (unsigned long long) length * passes, instructions, elements, cpu);
    return 0;
}

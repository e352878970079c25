# An image that carries only the library, for other images and for init containers. It has no
# shell. `make dist` makes its files:
#
#   make dist
#   docker build -f docker/library.Dockerfile -t redis-durable-library target/dist/x86_64-unknown-linux-gnu/image
#
# In the Dockerfile of a server's image:
#
#   COPY --from=redis-durable-library /libredis_durable.so /usr/local/lib/redis-durable/
#
# As an init container: `docker run -v modules:/modules redis-durable-library`. The argument is the
# directory for the copy. It must be writable for the container's user.
FROM scratch
COPY copy-library libredis_durable.so /
USER 65534:65534
ENTRYPOINT ["/copy-library"]
CMD ["/modules"]

# The command line in a container, as a user without rights:
#
#   docker build --tag ntk-labelqa .                       # extras: --build-arg EXTRAS=embeddings,ml-backend
#   docker run --rm --volume "$PWD:/data" --user "$(id -u):$(id -g)" ntk-labelqa audit export.json --out audit
#
# The key of a Label Studio server goes in as a variable (--env LABEL_STUDIO_API_KEY), never into the image.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS wheel
WORKDIR /source
COPY constraints.txt ./
RUN pip install --no-cache-dir --constraint constraints.txt hatchling
COPY pyproject.toml README.md ./
COPY ntk_labelqa ntk_labelqa
RUN python -m hatchling build --target wheel --directory /wheel

FROM python:${PYTHON}-slim
ARG EXTRAS=""
COPY constraints.txt /wheel/
COPY --from=wheel /wheel /wheel
RUN pip install --no-cache-dir --constraint /wheel/constraints.txt "$(echo /wheel/*.whl)${EXTRAS:+[$EXTRAS]}" \
    && rm -r /wheel
# The folders exist and are the user's, so that volumes mounted on them are too.
RUN useradd --create-home --uid 10001 labelqa \
    && install --directory --owner labelqa --group labelqa /data /home/labelqa/.cache /home/labelqa/.cache/ntk-labelqa
USER labelqa
WORKDIR /data
ENTRYPOINT ["ntk-labelqa"]
CMD ["--help"]

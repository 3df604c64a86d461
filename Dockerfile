# One image for the gateway and every subgraph; docker-compose.yml says which one a container is.
# The gateway alone, without the packages of the subgraphs: docker build --build-arg EXTRAS= .
FROM node:22-slim AS graphiql
WORKDIR /page
COPY gateway/http/graphiql/package.json gateway/http/graphiql/package-lock.json gateway/http/graphiql/build.mjs ./
RUN npm ci --no-audit --no-fund --ignore-scripts
COPY gateway/http/graphiql/src ./src
RUN node build.mjs

FROM python:3.12-slim
ARG EXTRAS=platform,s3
WORKDIR /app
RUN pip install --no-cache-dir uv==0.13.9
COPY pyproject.toml requirements.lock README.md ./
# what the lock pins, without what only tests need
RUN uv pip compile --no-header --quiet pyproject.toml $(echo ${EXTRAS} | tr , '\n' | sed 's/^./--extra &/') --constraint requirements.lock --output-file /tmp/runtime.txt \
    && uv pip install --system --no-cache --requirement /tmp/runtime.txt
COPY gateway ./gateway
COPY subgraphs ./subgraphs
COPY schema ./schema
COPY --from=graphiql /page/dist ./gateway/http/graphiql/dist
RUN uv pip install --system --no-cache --no-deps --editable . \
    && useradd --system --home-dir /app mussikon \
    && install -d -o mussikon -g mussikon /keys/private /keys/service /keys/public /keys/partners /data /mailbox /pictures
USER mussikon
ENV PYTHONUNBUFFERED=1
CMD ["gateway", "--help"]

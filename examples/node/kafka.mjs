// Kafka for a web tier, on kafkajs: events out, layouts in.

import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import kafkajs from "kafkajs";
import lz4 from "lz4js";

const { CompressionCodecs, CompressionTypes, Kafka, KafkaJSError, Partitioners, logLevel } = kafkajs;
const ATTEMPTS = 20;
const PAUSE_MS = 250;

/** @typedef {import("../../schemas/generated/messages.js").Impression} Impression */
/** @typedef {import("../../schemas/generated/messages.js").Click} Click */
/** @typedef {import("../../schemas/generated/messages.js").Purchase} Purchase */
/** @typedef {import("../../schemas/generated/messages.js").Signal} Signal */
/** @typedef {import("../../schemas/generated/messages.js").Return} Return */
/** @typedef {{topic: "events-impressions", event: Impression} | {topic: "events-clicks", event: Click} | {topic: "events-signals", event: Signal} | {topic: "events-purchases", event: Purchase} | {topic: "events-returns", event: Return}} Outgoing */

// Layouts come compressed with LZ4, which kafkajs leaves to others.
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async (/** @type {{buffer: Buffer}} */ encoder) => Buffer.from(lz4.compress(encoder.buffer)),
  decompress: async (/** @type {Buffer} */ buffer) => Buffer.from(lz4.decompress(buffer)),
});

/** @param {string} brokers `host:port`, with commas between several */
export function connect(brokers) {
  return new Kafka({ clientId: "web-tier", brokers: brokers.split(","), logLevel: logLevel.ERROR });
}

/** Publishes events; the record's key is the unit, and kafkajs's default partitioner is murmur2, as Java's. */
export class Events {
  #producer;
  #prefix;

  /** @param {import("kafkajs").Kafka} kafka @param {string} prefix of the topics' names */
  constructor(kafka, prefix) {
    // A record that is sent again may be written twice; equal event ids count once.
    this.#producer = kafka.producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      allowAutoTopicCreation: false,
    });
    this.#prefix = prefix;
  }

  async open() {
    await this.#producer.connect();
  }

  async close() {
    await this.#producer.disconnect();
  }

  /** Resolves when all replicas have every record; rejects otherwise: send the same again, with the same event ids. @param {Outgoing[]} outgoing */
  async send(outgoing) {
    /** @type {Map<string, import("kafkajs").Message[]>} */
    const messages = new Map();
    for (const { topic, event } of outgoing) {
      const name = this.#prefix + topic;
      messages.set(name, [...(messages.get(name) ?? []), { key: event.unit, value: JSON.stringify(event) }]);
    }
    const topicMessages = [...messages].map(([topic, list]) => ({ topic, messages: list }));
    await this.#producer.sendBatch({ acks: -1, topicMessages });
  }
}

/**
 * Keep `layouts` as the topics are.  Resolves when they were read to their ends once, and goes on reading;
 * `stop` of what it gives ends that.  Where there is no `layout-lives`, as before an upgrade, layouts are
 * good until their own end; without `segments` there is no model of them.
 * @param {import("kafkajs").Kafka} kafka
 * @param {string} prefix
 * @param {import("./layouts.mjs").Layouts} layouts
 */
export async function follow(kafka, prefix, layouts) {
  const lives = `${prefix}layout-lives`;
  const segments = `${prefix}segments`;
  const topics = [`${prefix}layouts`, ...(await existing(kafka, [lives, segments]))];
  const unread = new Map((await Promise.all(topics.map((topic) => ends(kafka, topic)))).flat());
  // A group of its own: every renderer reads all partitions, from the beginning.
  const consumer = kafka.consumer({
    groupId: `${prefix}renderer-${randomUUID()}`,
    sessionTimeout: 6000,
    heartbeatInterval: 1500,
    maxWaitTimeInMs: 100,
  });
  // Who hears of no more layouts must not go on as if nothing had changed: end, and be started again.
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    if (!payload.restart)
      setImmediate(() => {
        throw payload.error;
      });
  });
  await consumer.connect();
  await consumer.subscribe({ topics, fromBeginning: true });
  /** @type {() => void} */
  let done = () => {};
  /** @type {Promise<void>} */
  const read = new Promise((resolve) => (done = resolve));
  if (unread.size === 0) done();
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ topic, partition, message }) => {
      const [key, value] = [String(message.key), message.value?.toString() ?? null];
      if (topic === lives) layouts.takeLife(key, value);
      else if (topic === segments) layouts.takeSegments(key, value);
      else layouts.take(key, value);
      const place = `${topic}/${partition}`;
      if (BigInt(message.offset) + 1n >= (unread.get(place) ?? 0n)) unread.delete(place);
      if (unread.size === 0) done();
    },
  });
  await read;
  return { stop: () => consumer.disconnect() };
}

/** Those of these topics that there are. @param {import("kafkajs").Kafka} kafka @param {string[]} topics */
async function existing(kafka, topics) {
  const admin = kafka.admin();
  await admin.connect();
  try {
    return (await admin.listTopics()).filter((name) => topics.includes(name));
  } finally {
    await admin.disconnect();
  }
}

/** The end of each partition that has records; a topic that was just made is asked again.
 * @param {import("kafkajs").Kafka} kafka @param {string} topic @returns {Promise<[string, bigint][]>} */
async function ends(kafka, topic) {
  const admin = kafka.admin();
  await admin.connect();
  try {
    for (let left = ATTEMPTS; ; left -= 1) {
      try {
        const offsets = await admin.fetchTopicOffsets(topic);
        const some = offsets.filter((one) => one.high !== one.low);
        return some.map((one) => [`${topic}/${one.partition}`, BigInt(one.high)]);
      } catch (error) {
        if (left === 0 || !(error instanceof KafkaJSError && error.retriable)) throw error;
        await setTimeout(PAUSE_MS);
      }
    }
  } finally {
    await admin.disconnect();
  }
}

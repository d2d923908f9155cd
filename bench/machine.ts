import { cpus, platform, release, totalmem } from 'node:os'

/** What the figures were measured on: nothing that names the machine or its owner. */
export function machine() {
  const processors = cpus()
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memory_gb: Math.round(totalmem() / 1024 ** 3),
    system: `${platform()} ${release()}`,
  }
}

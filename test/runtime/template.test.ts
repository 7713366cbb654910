import { Template } from '@huggingface/jinja';
import { describe, expect, test } from 'vitest';
import { renderTemplate } from '../../src/runtime/template.ts';

const variables = {
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: ' Hi\nthere ' },
    { role: 'assistant', content: 'Yes?' },
    { role: 'user', content: 'Bye' },
  ],
  add_generation_prompt: true,
  bos_token: '<s>',
  eos_token: '</s>',
};

/** In the ways of TinyLlama, ChatML, Llama 2 and Mistral, and Llama 3. */
const templates = {
  zephyr: `{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}`,
  chatml: `{%- if messages[0].role != 'system' -%}<|im_start|>system
Hi<|im_end|>{%- endif -%}{% for m in messages %}{{ '<|im_start|>' ~ m.role ~ '\\n' ~ m.content | trim ~ '<|im_end|>\\n' }}{% endfor %}`,
  inst: `{% set ns = namespace(found=false) %}{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system = '<<SYS>>\\n' + messages[0]['content'] + '\\n<</SYS>>' %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}{% if loop.index0 == 0 and system is defined %}{% set content = system + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% else %}{{ ' ' + content + eos_token }}{% endif %}{% endfor %}`,
  headers: `{{- bos_token }}{%- set date = "26 Jul 2024" %}{%- macro head(role) -%}<|start_header_id|>{{ role }}<|end_header_id|>{%- endmacro -%}{%- for m in messages %}{{- head(m.role) + "\\n\\n" + m['content'] | trim + '<|eot_id|>' }}{%- endfor %}{{ range(3, 0, -1) | join(',') }}{{ range(4) | length }}{{ messages | map(attribute='role') | list | tojson }}{{ True and not none }}`,
};

test.each(Object.entries(templates))('%s: the same text as the library by itself', (_name, template) => {
  const text = renderTemplate(template, variables);
  expect(text).toBe(new Template(template).render(variables));
  expect(text).toContain('Bye');
});

test('the date as the library writes it', () => {
  const template = '{{ strftime_now("%Y-%m %% %B") }}';
  expect(renderTemplate(template, {})).toMatch(/^\d{4}-\d\d % [A-Z][a-z]+$/);
  expect(renderTemplate('{{ strftime_now is defined }}', {})).toBe('true');
});

describe('what a template may take', () => {
  const turns = (n: number) => `{% for i in range(${n}) %}${'{% for j in range(100) %}.{% endfor %}'}{% endfor %}`;

  test('ten thousand turns are well within it, a hundred thousand are not', () => {
    expect(renderTemplate(turns(100), {})).toHaveLength(10_000);
    expect(() => renderTemplate(turns(1000), {})).toThrow(/too many steps/);
  });

  test('a long message is well within it', () => {
    const messages = [{ role: 'user', content: 'word '.repeat(100_000) }];
    expect(renderTemplate(templates.chatml, { ...variables, messages }).length).toBeGreaterThan(400_000);
  });
});
